package keyvault

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/internal/pages"
)

// ListOptions tunes a list. Nil is the default of every method that takes it.
type ListOptions struct {
	// PageSize is how many items to ask for at once. The service's limit, 25,
	// is also its default.
	PageSize int
}

func (o *ListOptions) query() url.Values {
	if o == nil || o.PageSize == 0 {
		return nil
	}
	return url.Values{"maxresults": {strconv.Itoa(o.PageSize)}}
}

// list returns the items of all pages. A page is asked for when its first item
// is wanted. After an error, which is yielded with the zero item, it ends.
func list[T any](ctx context.Context, c *Client, op operation) iter.Seq2[T, error] {
	op.method = http.MethodGet
	return pages.Walk("keyvault: "+op.name, func(link string) ([]T, string, error) {
		page, err := fetchPage[T](ctx, c, op, link)
		if err != nil {
			return nil, "", err
		}
		if page.NextLink == nil {
			return page.Value, "", nil
		}
		return page.Value, *page.NextLink, nil
	})
}

// fetchPage reads the page at link, or the first one if link is empty.
func fetchPage[T any](ctx context.Context, c *Client, op operation, link string) (page *api.List[T], err error) {
	if link == "" {
		return call[api.List[T]](ctx, c, op)
	}
	ctx, end := runtime.StartSpan(ctx, "Client."+op.name, c.tracer, nil)
	defer func() { end(err) }()
	req, err := c.nextRequest(ctx, link)
	if err != nil {
		return nil, fmt.Errorf("keyvault: %s: %w", op.name, err)
	}
	page = new(api.List[T])
	if err = c.send(req, op, page); err != nil {
		return nil, err
	}
	return page, nil
}

func (c *Client) nextRequest(ctx context.Context, link string) (*policy.Request, error) {
	if err := pages.Check(link, c.origin, "the vault"); err != nil {
		return nil, err
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, link)
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	return req, nil
}

// failed is a list that yields only err.
func failed[T any](operation string, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		yield(zero, fmt.Errorf("keyvault: %s: %w", operation, err))
	}
}
