/* Names the exit statuses of the port program besides those that Python code asks for itself (os._exit). */
#ifndef PYTHONX_EXIT_STATUS_H
#define PYTHONX_EXIT_STATUS_H

enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_FAILURE = 1,   /* something that is named on stderr */
    EXIT_STATUS_USAGE = 2,     /* bad options */
    EXIT_STATUS_CUT_INPUT = 3, /* end of input in mid-frame, or a read error */
    EXIT_STATUS_ABANDONED = 4, /* the other end went away while a request was running */
};

#endif
