/* Declares how the launcher calls the engine. The launcher finds the symbol by name in pythonx_engine.so, after it has
 * loaded libpython. */
#ifndef PYTHONX_ENGINE_H
#define PYTHONX_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#define ENGINE_MAIN_SYMBOL "pythonx_engine_main"

struct engine_options {
    const char *program;  /* becomes sys.executable; the interpreter as the user named it */
    const char *launcher; /* how to run the launcher again; NULL if that cannot be done */
    int input_fd;
    int output_fd;
    size_t max_frame;     /* bytes */
    size_t segment_limit; /* bytes of shared memory; 0: none */
    size_t max_result;    /* bytes of a term that Python sends; 0: no limit */
    size_t atom_limit;    /* how many atoms Python may make up */
    unsigned spin_us;     /* how long to poll for a next frame before sleeping; 0: not at all */
    unsigned linger_ms;   /* how long requests may go on after the end of input */
    long mapset_version;  /* of the client's %MapSet{}; negative if its structs have no such field */
    bool end_children;    /* what Python has started ends with the session */
    bool has_oom_score_before;
    int oom_score_before;   /* what the launcher inherited (oom_score_adj) */
    const char *crash_file; /* where faulthandler writes at a fatal signal; NULL: stderr */
};

/* Serves until the input ends or a stop request comes; returns the exit status. Everything in options is borrowed. */
typedef int engine_main_function(const struct engine_options *options);

#endif
