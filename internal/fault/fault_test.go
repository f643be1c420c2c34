package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/fault"
)

func TestKindsAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		if seen[k.String()] {
			t.Errorf("two kinds are called %q", k)
		}
		seen[k.String()] = true
	}
	if !seen[fault.Unavailable.String()] {
		t.Error("Kinds does not reach the last kind")
	}
}

func TestKindOfLooksThroughWrapping(t *testing.T) {
	refusal := fault.New(fault.Conflict, "Conflict", "name %q is taken", "a").WithInner("ObjectIsBeingDeleted")
	wrapped := fmt.Errorf("creating a secret: %w", refusal)
	if got := fault.KindOf(wrapped); got != fault.Conflict {
		t.Errorf("KindOf(wrapped) = %v", got)
	}
	if e, ok := fault.As(wrapped); !ok || e.Inner != "ObjectIsBeingDeleted" || e.Message != `name "a" is taken` {
		t.Errorf("As(wrapped) = %+v, %v", e, ok)
	}
	if got := fault.KindOf(errors.New("disk on fire")); got != fault.Internal {
		t.Errorf("KindOf(plain error) = %v", got)
	}
}
