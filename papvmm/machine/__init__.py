"""The machine: builder, event loop, scheduler, reset; the only room that knows them all."""
