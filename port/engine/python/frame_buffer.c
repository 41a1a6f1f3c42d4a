/* Makes the buffer of a frame when the first object needs it. */
#include "python/frame_buffer.h"

#include <stdlib.h>

#include "python/buffer.h"

PyObject *frame_buffer_of(struct request *request)
{
    if (request->keeper == NULL) {
        request->keeper = buffer_new(request->frame.bytes, request->frame.length, free, request->frame.allocation);
        if (request->keeper != NULL)
            request->frame.allocation = NULL; /* the buffer owns it now */
    }
    return request->keeper;
}
