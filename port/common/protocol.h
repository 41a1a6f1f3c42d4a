/* The words of the protocol, each in one place. port/PROTOCOL.md explains them. */
#ifndef PYTHONX_PROTOCOL_H
#define PYTHONX_PROTOCOL_H

#define PROTOCOL_VERSION 1

/* OPERATION(name, fewest, most, has_id): requests, with the elements that their tuple may have, the name included, and
 * whether the second is an id, so that there is a reply. */
#define PROTOCOL_OPERATIONS(OPERATION)                                                                                 \
    OPERATION(eval, 3, 4, true)                                                                                        \
    OPERATION(exec, 3, 4, true)                                                                                        \
    OPERATION(call, 4, 6, true)                                                                                        \
    OPERATION(release, 2, 2, false)                                                                                    \
    OPERATION(info, 2, 2, true)                                                                                        \
    OPERATION(segment, 3, 3, true)                                                                                     \
    OPERATION(give_back, 2, 2, false)                                                                                  \
    OPERATION(stop, 2, 2, true)

/* ERROR_KIND(name): the `kind` of an error map. */
#define PROTOCOL_ERROR_KINDS(ERROR_KIND)                                                                               \
    ERROR_KIND(exception)                                                                                              \
    ERROR_KIND(syntax)                                                                                                 \
    ERROR_KIND(bad_request)                                                                                            \
    ERROR_KIND(undecodable)                                                                                            \
    ERROR_KIND(unencodable)                                                                                            \
    ERROR_KIND(shutdown)

/* OPTION(name): the keys of a request's option map. */
#define PROTOCOL_OPTIONS(OPTION)                                                                                       \
    OPTION(bindings)                                                                                                   \
    OPTION(file)                                                                                                       \
    OPTION(line)                                                                                                       \
    OPTION(return )                                                                                                    \
    OPTION(binaries)                                                                                                   \
    OPTION(segments)

/* FEATURE(name): what `ready` lists under features, beyond what version 1 always has. */
#define PROTOCOL_FEATURES(FEATURE) FEATURE(crash_file) FEATURE(tensors)

/* What is listed too where the system has it. */
#define PROTOCOL_FEATURE_SEGMENTS "segments"

#define PROTOCOL_OK "ok"
#define PROTOCOL_ERROR "error"
#define PROTOCOL_READY "ready"
#define PROTOCOL_OUTPUT "output"
#define PROTOCOL_SEGMENT "$segment"

#endif
