/* recycle_keeper.h: the loop a recycled worker ends up in. */
#ifndef AZR_EXECUTOR_RECYCLE_KEEPER_H
#define AZR_EXECUTOR_RECYCLE_KEEPER_H

/* Loads the filter that lies in the window's input, reports SEALED, then obeys commands until its
 * pipe ends or something is not as it should be. Each run is a call of child in a process of its
 * own on the stack below stack_top (16 bytes aligned). */
_Noreturn void azr_exec__keeper(void *window, void *stack_top, void (*child)(void));

#endif
