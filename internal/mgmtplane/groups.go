package mgmtplane

import (
	"net/http"
	"time"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/resource"
)

// typedGroups is the first version whose resource groups have a type.
const typedGroups = "2019-10-01"

// retryAfter is the pace of polls, in seconds. Without it, clients wait half a
// minute.
const retryAfter = "1"

type groupPatch struct {
	Tags      map[string]string `json:"tags"`
	ManagedBy *string           `json:"managedBy"`
}

func renderGroup(x *httpx.Exchange, g *resource.Group) arm.ResourceGroup {
	out := arm.ResourceGroup{
		ID: g.Scope(), Name: g.Name, Location: g.Location, ManagedBy: g.ManagedBy, Tags: g.Tags,
		Properties: &arm.ResourceGroupProperties{ProvisioningState: arm.StateSucceeded},
	}
	if x.APIVersion >= typedGroups {
		out.Type = arm.TypeResourceGroups
	}
	if g.Deleting() {
		out.Properties.ProvisioningState = arm.StateDeleting
	}
	return out
}

func (p *plane) listGroups(x *httpx.Exchange) error {
	page, err := readPage(x)
	if err != nil {
		return err
	}
	f, err := readFilter(x, "tagname", "tagvalue")
	if err != nil {
		return err
	}
	var selected resource.GroupFilter
	selected.TagName, selected.TagValue = f.tag()
	found, err := p.Resources.ListGroups(x.Context(), call(x), x.Params["subscription"], selected, page)
	if err != nil {
		return err
	}
	return replyPage(x, found, func(g *resource.Group) arm.ResourceGroup { return renderGroup(x, g) })
}

func (p *plane) putGroup(x *httpx.Exchange) error {
	var body arm.ResourceGroup
	if err := readBody(x, &body); err != nil {
		return err
	}
	in := resource.PutGroup{Location: body.Location, ManagedBy: body.ManagedBy, Tags: body.Tags}
	g, created, err := p.Resources.PutGroup(x.Context(), call(x), x.Params["subscription"], x.Params["group"], in)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return x.Reply(status, renderGroup(x, g))
}

func (p *plane) patchGroup(x *httpx.Exchange) error {
	var body groupPatch
	if err := readBody(x, &body); err != nil {
		return err
	}
	in := resource.PatchGroup{Tags: body.Tags, ManagedBy: body.ManagedBy}
	g, err := p.Resources.PatchGroup(x.Context(), call(x), x.Params["subscription"], x.Params["group"], in)
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderGroup(x, g))
}

func (p *plane) getGroup(x *httpx.Exchange) error {
	g, err := p.Resources.GetGroup(x.Context(), call(x), x.Params["subscription"], x.Params["group"])
	if err != nil {
		return err
	}
	return x.Reply(http.StatusOK, renderGroup(x, g))
}

// groupExists answers without a body, also where there is no group.
func (p *plane) groupExists(x *httpx.Exchange) error {
	_, err := p.Resources.GetGroup(x.Context(), call(x), x.Params["subscription"], x.Params["group"])
	if fault.KindOf(err) == fault.NotFound {
		return x.Reply(http.StatusNotFound, nil)
	}
	if err != nil {
		return err
	}
	return x.Reply(http.StatusNoContent, nil)
}

func (p *plane) deleteGroup(x *httpx.Exchange) error {
	job, err := p.Resources.DeleteGroup(x.Context(), call(x), x.Params["subscription"], x.Params["group"])
	if err != nil {
		return err
	}
	return replyPolling(x, "/subscriptions/"+x.Params["subscription"]+"/operationresults/"+job, nil)
}

// replyPolling answers that the work goes on, and where to ask about it.
func replyPolling(x *httpx.Exchange, path string, body any) error {
	h := x.ResponseWriter.Header()
	h.Set("Location", x.Site.ManagementURL()+path+"?api-version="+x.APIVersion)
	h.Set("Retry-After", retryAfter)
	return x.Reply(http.StatusAccepted, body)
}

// getGroupJob tells how far the deletion of a group is.
func (p *plane) getGroupJob(x *httpx.Exchange) error {
	job, err := p.Resources.GetJob(x.Context(), call(x), x.Params["subscription"], x.Params["job"])
	if err != nil {
		return err
	}
	if job.Done() {
		return x.Reply(http.StatusOK, nil)
	}
	return replyPolling(x, x.URL.EscapedPath(), nil)
}

// getPurgeJob tells how far the purge of a vault is.
func (p *plane) getPurgeJob(x *httpx.Exchange) error {
	job, err := p.Resources.GetJob(x.Context(), call(x), x.Params["subscription"], x.Params["job"])
	if err != nil {
		return err
	}
	if job.Done() {
		return x.Reply(http.StatusOK, nil)
	}
	return replyPolling(x, x.URL.EscapedPath(), arm.OperationStatus{
		CreatedDateTime: job.Created.UTC().Format(time.DateTime) + "Z", Status: arm.StateNotStarted,
	})
}
