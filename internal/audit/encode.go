package audit

import (
	"sync"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/jsontext"
)

// MarshalJSON returns the line of the record. Its members are spelled out here
// because the log is read by other programs for years, while access.Caller is
// shaped for decisions and may change.
func (r Record) MarshalJSON() ([]byte, error) { return r.appendJSON(nil), nil }

// appendJSON appends the line of the record. It is written by hand because there
// is one with every request.
func (r *Record) appendJSON(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.String)
	o.Text("id", r.ID)
	o.Value(append(r.Time.AppendFormat(append(o.Name("time"), '"'), time.RFC3339Nano), '"'))
	o.Text("operation", r.Operation)
	o.SomeText("resource", r.Resource)
	o.SomeText("object", r.Object)
	o.Value(r.Origin.appendJSON(o.Name("origin")))
	o.SomeText("code", r.Code)
	o.SomeText("reason", r.Reason)
	o.Value(r.appendCaller(o.Name("caller")))
	return o.End()
}

func (n *Origin) appendJSON(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.String)
	o.SomeText("requestId", n.RequestID)
	o.SomeText("clientRequestId", n.ClientRequestID)
	o.SomeText("address", n.Address)
	o.SomeText("userAgent", n.UserAgent)
	o.SomeText("apiVersion", n.APIVersion)
	return o.End()
}

func (r *Record) appendCaller(dst []byte) []byte {
	o := jsontext.Begin(dst, jsontext.String)
	o.SomeText("tenantId", r.Caller.TenantID)
	o.SomeText("objectId", r.Caller.ObjectID)
	o.SomeText("appId", r.Caller.AppID)
	o.SomeText("issuer", r.Caller.Issuer)
	if len(r.Caller.Groups) > 0 {
		list := append(o.Name("groups"), '[')
		for i, g := range r.Caller.Groups {
			if i > 0 {
				list = append(list, ',')
			}
			list = jsontext.String(list, g)
		}
		o.Value(append(list, ']'))
	}
	return o.End()
}

// line is room for the line of a record.
type line struct{ text []byte }

// maxKeptLine bounds what waits for the next record: few lines are longer.
const maxKeptLine = 4 << 10

var lines = sync.Pool{New: func() any { return &line{make([]byte, 0, 1<<10)} }}

func (l *line) free() {
	if cap(l.text) <= maxKeptLine {
		lines.Put(l)
	}
}
