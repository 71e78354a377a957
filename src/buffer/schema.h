/* schema.h: the tables of run.db as SQL, and how statements are kept. Only for src/buffer. */
#ifndef AZR_BUFFER_SCHEMA_H
#define AZR_BUFFER_SCHEMA_H

enum {
    AZR_BUFFER_APPLICATION_ID = 0x415A5231, /* "AZR1": tells run.db from other people's files */
    AZR_BUFFER_SCHEMA_VERSION = 2,          /* PRAGMA user_version */
};

extern const char azr_buffer__schema[];
/* From each older version to the next; [0] is unused. */
extern const char *const azr_buffer__upgrades[AZR_BUFFER_SCHEMA_VERSION];

#endif
