package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	own := &httpx.Refusal{Status: 415, Code: "Own", Message: "m"}
	known := &fault.Error{Kind: fault.Conflict, Code: "C", Inner: "i", Message: "m", Target: "t"}
	givenUp, hidden := "given up before", "its cause under the request id r-1."
	for _, tc := range []struct {
		err       error
		status    int
		said      fault.Error // Message is a part
		isRefusal bool
	}{
		{own, 415, fault.Error{Code: "Own", Message: "m"}, true},
		{fmt.Errorf("in a room: %w", own), 415, fault.Error{Code: "Own", Message: "m"}, true},
		{known, 409, *known, true},
		{fmt.Errorf("in a room: %w", known), 409, *known, true},
		{fmt.Errorf("reading disk-7: %w", context.Canceled), 503, fault.Error{Code: "GivenUp", Message: givenUp}, false},
		{fmt.Errorf("reading disk-7: %w", context.DeadlineExceeded), 503, fault.Error{Code: "GivenUp", Message: givenUp}, false},
		{errors.New("disk-7 is full"), 500, fault.Error{Code: "Internal", Message: hidden}, false},
	} {
		x := &httpx.Exchange{RequestID: "r-1"}
		status, said := x.Describe(tc.err, "GivenUp", "Internal")
		message := said.Message
		said.Message = tc.said.Message
		if status != tc.status || said != tc.said || !strings.Contains(message, tc.said.Message) || strings.Contains(message, "disk-7") {
			t.Errorf("%v: %d, %+v, %q", tc.err, status, said, message)
		}
		if httpx.IsRefusal(tc.err) != tc.isRefusal {
			t.Errorf("%v is a refusal: %v", tc.err, !tc.isRefusal)
		}
	}
}
