/* Says what the build that is tested has. */
#ifndef PYTHONX_TESTS_BUILDS_H
#define PYTHONX_TESTS_BUILDS_H

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    define BUILD_IS_FOR_LINUX true
#else
#    define BUILD_IS_FOR_LINUX false
#endif

/* A sanitizer has a malloc of its own, and must come before what is preloaded: its builds have no start hook. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define BUILD_IS_SANITIZED true
#else
#    define BUILD_IS_SANITIZED false
#endif

#define BUILD_HAS_GUARD BUILD_IS_FOR_LINUX
#define BUILD_HAS_HOOK (BUILD_IS_FOR_LINUX && !BUILD_IS_SANITIZED)

#endif
