package shmalloc

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"time"
)

// A patience says how long a call may wait: until a context is done, or until a time; neither: for ever. Calls are first made without waiting.
type patience struct {
	ctx context.Context
	end time.Time
}

// look is how long a wait that a context can end lasts before the context is looked at. The library has nothing that would wake it.
const look = 20 * time.Millisecond

// next says how long to wait in another call, after one that ended with err; 0: not again, and how all ended.
func (p patience) next(err error) (C.int64_t, error) {
	if !isStatus(err, StatusTimeout) && !isStatus(err, StatusInterrupted) {
		return 0, err
	}
	if !p.end.IsZero() {
		left := time.Until(p.end)
		if left <= 0 {
			return 0, refused(StatusTimeout, "not ready in the time given")
		}
		return C.int64_t(left), nil
	}
	if p.ctx == nil || p.ctx.Done() == nil {
		return C.SHMALLOC_TIME_FOREVER, nil
	}
	if cause := p.ctx.Err(); cause != nil {
		status := StatusInterrupted
		if errors.Is(cause, context.DeadlineExceeded) {
			status = StatusTimeout
		}
		return 0, &Error{Status: status, Message: "the context is done", Cause: cause}
	}
	left := look
	if end, ok := p.ctx.Deadline(); ok && time.Until(end) < left {
		if left = time.Until(end); left <= 0 {
			left = 1
		}
	}
	return C.int64_t(left), nil
}
