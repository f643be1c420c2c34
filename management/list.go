package management

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/openkeyvault/openkeyvault/api/arm"
	"github.com/openkeyvault/openkeyvault/internal/pages"
)

// list returns the items of all pages. A page is asked for when its first item
// is wanted. After an error, which is yielded with the zero item, it ends.
func list[T any](ctx context.Context, c *Client, op operation) iter.Seq2[T, error] {
	op.method = http.MethodGet
	return pages.Walk("management: "+op.name, func(link string) ([]T, string, error) {
		page, err := fetchPage[T](ctx, c, op, link)
		if err != nil {
			return nil, "", err
		}
		return page.Value, page.NextLink, nil
	})
}

// fetchPage reads the page at link, or the first one if link is empty.
func fetchPage[T any](ctx context.Context, c *Client, op operation, link string) (page *arm.List[T], err error) {
	if link == "" {
		return call[arm.List[T]](ctx, c, op)
	}
	ctx, end := runtime.StartSpan(ctx, "Client."+op.name, c.tracer, nil)
	defer func() { end(err) }()
	req, err := c.nextRequest(ctx, link)
	if err != nil {
		return nil, fmt.Errorf("management: %s: %w", op.name, err)
	}
	resp, err := c.send(req, op)
	if err != nil {
		return nil, err
	}
	page = new(arm.List[T])
	if err = decode(op.name, resp, page); err != nil {
		return nil, err
	}
	return page, nil
}

func (c *Client) nextRequest(ctx context.Context, link string) (*policy.Request, error) {
	if err := pages.Check(link, c.origin, c.endpoint); err != nil {
		return nil, err
	}
	// Blanks in filters come unescaped from some services.
	escaped, err := runtime.EncodeQueryParams(link)
	if err != nil {
		return nil, errors.New("the link to the next page has a query that cannot be parsed")
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, escaped)
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	return req, nil
}
