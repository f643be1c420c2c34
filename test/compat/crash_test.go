package compat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// TestKill kills the process with SIGKILL while 64 writers write, thirty times,
// and each time finds every secret that was acknowledged, and none of the others
// in part.
func TestKill(t *testing.T) {
	const rounds, writers = 30, 64
	dataDir := t.TempDir()
	all := map[string]string{}
	for round := range rounds {
		p := start(t, dataDir)
		client := p.secrets(t)
		if round > 0 {
			verify(t, client, all)
		}
		// The moment of the kill differs from round to round.
		acknowledged, sent := write(t, p, client, round, writers, int64(200+37*round))
		p = start(t, dataDir)
		client = p.secrets(t)
		verify(t, client, acknowledged)
		verifyWhole(t, client, sent)
		p.kill()
		maps.Copy(all, acknowledged)
	}
	p := start(t, dataDir)
	verify(t, p.secrets(t), all)
	t.Logf("%d kills, %d acknowledged secrets, all of them there", rounds, len(all))
}

// write lets writers set secrets until so many are acknowledged and the process
// is killed. It returns those, and all that were sent.
func write(t *testing.T, p *process, client *azsecrets.Client, round, writers int, until int64) (acknowledged, sent map[string]string) {
	var mu sync.Mutex // guards both maps
	acknowledged, sent = map[string]string{}, map[string]string{}
	var count atomic.Int64
	var killed atomic.Bool
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for i := 0; !killed.Load(); i++ {
				name := fmt.Sprintf("r%d-w%d-%d", round, writer, i)
				value := fmt.Sprintf("value of %s", name)
				mu.Lock()
				sent[name] = value
				mu.Unlock()
				_, err := client.SetSecret(context.Background(), name, azsecrets.SetSecretParameters{Value: &value}, nil)
				if err != nil {
					if !killed.Load() {
						t.Errorf("setting %s before the kill: %v", name, err)
					}
					return
				}
				mu.Lock()
				acknowledged[name] = value
				mu.Unlock()
				if count.Add(1) == until {
					killed.Store(true)
					p.kill()
				}
			}
		})
	}
	wg.Wait()
	if int64(len(acknowledged)) < until {
		t.Fatalf("round %d: only %d of %d writes were acknowledged", round, len(acknowledged), until)
	}
	return acknowledged, sent
}

// verify wants every secret with its value.
func verify(t *testing.T, client *azsecrets.Client, want map[string]string) {
	t.Helper()
	each(want, func(name, value string) {
		got, err := client.GetSecret(t.Context(), name, "", nil)
		switch {
		case err != nil:
			t.Errorf("acknowledged secret %s: %v", name, err)
		case got.Value == nil || *got.Value != value:
			t.Errorf("acknowledged secret %s has another value", name)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// verifyWhole wants every secret that was sent either absent or with its value.
func verifyWhole(t *testing.T, client *azsecrets.Client, sent map[string]string) {
	t.Helper()
	each(sent, func(name, value string) {
		got, err := client.GetSecret(t.Context(), name, "", nil)
		var refused *azcore.ResponseError
		switch {
		case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		case err != nil:
			t.Errorf("secret %s: %v", name, err)
		case got.Value == nil || *got.Value != value:
			t.Errorf("secret %s is half-written", name)
		}
	})
}

// each calls f for every entry, on a few goroutines.
func each(entries map[string]string, f func(name, value string)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for name, value := range entries {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(name, value)
		})
	}
	wg.Wait()
}
