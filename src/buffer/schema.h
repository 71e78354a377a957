/* schema.h: the tables of run.db as SQL, and how statements are kept. Only for src/buffer. */
#ifndef AZR_BUFFER_SCHEMA_H
#define AZR_BUFFER_SCHEMA_H

enum {
    AZR_BUFFER_APPLICATION_ID = 0x415A5231, /* "AZR1": tells run.db from other people's files */
    AZR_BUFFER_SCHEMA_VERSION = 1,          /* PRAGMA user_version */
};

extern const char azr_buffer__schema[];

#endif
