/* Names the exit statuses of the port program, except those that Python code chooses (os._exit). */
#ifndef PYTHONX_EXIT_STATUS_H
#define PYTHONX_EXIT_STATUS_H

enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_FAILURE = 1,   /* an error that was reported on stderr */
    EXIT_STATUS_USAGE = 2,     /* bad options */
    EXIT_STATUS_CUT_INPUT = 3, /* end of input inside a frame, or a read error */
    EXIT_STATUS_ABANDONED = 4, /* the client closed its end while a request was running */
};

#endif
