/* Lists the words of the protocol, each in one place. port/PROTOCOL.md explains them. */
#ifndef PYTHONX_PROTOCOL_H
#define PYTHONX_PROTOCOL_H

#define PROTOCOL_VERSION 1

/* OPERATION(name, fewest, most, id): requests, with how many elements their tuple may have, the name included, and what
 * the second one is: OWN, the id that the reply carries; OTHER, the id of a request or call that this one is about;
 * NONE. */
#define PROTOCOL_OPERATIONS(OPERATION)                                                                                 \
    OPERATION(eval, 3, 4, OWN)                                                                                         \
    OPERATION(exec, 3, 4, OWN)                                                                                         \
    OPERATION(call, 4, 6, OWN)                                                                                         \
    OPERATION(stream, 3, 4, OWN)                                                                                       \
    OPERATION(assign, 3, 4, OWN)                                                                                       \
    OPERATION(next, 3, 3, OTHER)                                                                                       \
    OPERATION(cancel, 2, 2, OTHER)                                                                                     \
    OPERATION(release, 2, 2, NONE)                                                                                     \
    OPERATION(info, 2, 2, OWN)                                                                                         \
    OPERATION(reply, 3, 3, OTHER)                                                                                      \
    OPERATION(segment, 3, 4, OWN)                                                                                      \
    OPERATION(fetch, 5, 5, OWN)                                                                                        \
    OPERATION(give_back, 2, 2, NONE)                                                                                   \
    OPERATION(stop, 2, 2, OWN)

/* The tuple that may wrap a request: {within, CallId, Request}. */
#define PROTOCOL_WITHIN "within"

/* OPTION(name): the keys of a request's option map. */
#define PROTOCOL_OPTIONS(OPTION)                                                                                       \
    OPTION(bindings)                                                                                                   \
    OPTION(captured)                                                                                                   \
    OPTION(timeout)                                                                                                    \
    OPTION(concurrent)                                                                                                 \
    OPTION(timing)                                                                                                     \
    OPTION(batch)                                                                                                      \
    OPTION(file)                                                                                                       \
    OPTION(line)                                                                                                       \
    OPTION(return )                                                                                                    \
    OPTION(binaries)                                                                                                   \
    OPTION(segments)                                                                                                   \
    OPTION(max_result)                                                                                                 \
    OPTION(segment_ids)                                                                                                \
    OPTION(types)

/* FEATURE(name): what `ready` lists under features, beyond what version 1 always has. */
#define PROTOCOL_FEATURES(FEATURE)                                                                                     \
    FEATURE(crash_file)                                                                                                \
    FEATURE(tensors)                                                                                                   \
    FEATURE(control)                                                                                                   \
    FEATURE(limits) FEATURE(local_bindings) FEATURE(assign) FEATURE(captured) FEATURE(types) FEATURE(rich)

/* FEATURE(name): listed as well if the system has shared memory. */
#define PROTOCOL_SEGMENT_FEATURES(FEATURE) FEATURE(segments) FEATURE(segment_files) FEATURE(segment_ids)

/* How many atoms Python may make up, unless --atom-limit says another number. */
#define PROTOCOL_ATOM_LIMIT 10000

/* The `kind` of an error map. */
#define PROTOCOL_EXCEPTION "exception"
#define PROTOCOL_SYNTAX "syntax"
#define PROTOCOL_TIMEOUT "timeout"
#define PROTOCOL_CANCELLED "cancelled"
#define PROTOCOL_BAD_REQUEST "bad_request"
#define PROTOCOL_UNDECODABLE "undecodable"
#define PROTOCOL_UNENCODABLE "unencodable"
#define PROTOCOL_SHUTDOWN "shutdown"

#define PROTOCOL_OK "ok"
#define PROTOCOL_ERROR "error"
#define PROTOCOL_READY "ready"
#define PROTOCOL_OUTPUT "output"
#define PROTOCOL_LOG "log"
#define PROTOCOL_TIMING "timing"
#define PROTOCOL_YIELD "yield"
#define PROTOCOL_YIELDS "yields"
#define PROTOCOL_SEND "send"
#define PROTOCOL_INVOKE "invoke"
#define PROTOCOL_ABANDONED "abandoned"
#define PROTOCOL_OBJECT "$object"
#define PROTOCOL_SEGMENT "$segment"
#define PROTOCOL_SEGMENT_FILES "files"
#define PROTOCOL_SEGMENT_IDS "ids"

#endif
