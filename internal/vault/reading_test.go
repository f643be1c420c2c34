package vault

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/access"
	"github.com/openkeyvault/openkeyvault/internal/audit"
	"github.com/openkeyvault/openkeyvault/internal/catalog"
	"github.com/openkeyvault/openkeyvault/internal/fault"
	"github.com/openkeyvault/openkeyvault/internal/keyops"
)

// readingTest is a world with a secret and a key, "name" in the vault "v", that the
// user has read and used so often that all is kept that ever will be.
type readingTest struct {
	*world
	document *catalog.Vault
	secret   *Secret // the newest version
	call     Call
	got      *Secret
}

const (
	roleSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"
	roleCryptoUser  = "12338af0-0e69-4776-bea7-57ae8d297424"
)

func newReadingTest(t *testing.T, rbac bool) *readingTest {
	r := &readingTest{world: newWorld(t), call: user("v")}
	r.call.Origin = call("v").Origin
	r.call.Caller.Groups = []string{"group"}
	r.document = r.vault("v", func(v *catalog.Vault) {
		v.RBAC = &rbac
		v.Policies = append(v.Policies, access.Policy{TenantID: testTenant, ObjectID: userOID, Permissions: everything})
	})
	r.assign(r.role("1", testOID, "00482a5a-887f-4fb3-b363-3b7fe8e74483"), r.role("2", userOID, roleSecretsUser), r.role("3", userOID, roleCryptoUser))
	r.set("v", "name", "one")
	r.secret = r.set("v", "name", "two")
	r.plant("v", "name", theRSAKey())
	for range 3 {
		r.got = must(r.svc.GetSecret(r.ctx(), r.call, "name", ""))(t)
		if err := r.sign(r.svc); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *readingTest) role(id, principal, role string) access.Assignment {
	return access.Assignment{ID: id, Scope: "/subscriptions/" + testSub, RoleID: role, PrincipalID: principal}
}

func (r *readingTest) sign(s *Service) error {
	_, err := s.Sign(r.ctx(), r.call, "name", "", SignRequest{Algorithm: keyops.RS256, Message: keyops.Message{Value: make([]byte, 32)}})
	return err
}

// TestReadingHolds: whatever changes, the answer that was kept is given as long as
// it is what another process answers, which has kept nothing.
func TestReadingHolds(t *testing.T) {
	t.Parallel()
	document := func(change func(v *catalog.Vault)) func(*testing.T, *readingTest) {
		return func(_ *testing.T, r *readingTest) {
			v := r.document.Clone()
			change(v)
			r.putVault(v)
		}
	}
	update := func(a Attributes) func(*testing.T, *readingTest) {
		return func(t *testing.T, r *readingTest) {
			must(r.other.UpdateSecret(r.ctx(), call("v"), "name", "", UpdateSecret{Attributes: a}))(t)
			must(r.other.UpdateKey(r.ctx(), call("v"), "name", "", UpdateKey{Attributes: a}))(t)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*testing.T, *readingTest)
		// again and signs say whether the answer still holds, and whether the user may
		// still sign.
		again, signs bool
	}{
		{"nothing", func(*testing.T, *readingTest) {}, true, true},
		{"another name", func(_ *testing.T, r *readingTest) { r.set("v", "other", "value") }, true, true},
		{"another vault", func(_ *testing.T, r *readingTest) { r.vault("w") }, true, true},
		{"the same document anew", document(func(*catalog.Vault) {}), false, true},
		{"policies and roles taken", func(t *testing.T, r *readingTest) {
			r.assign(r.role("1", testOID, "00482a5a-887f-4fb3-b363-3b7fe8e74483"))
			document(func(v *catalog.Vault) { v.Policies = v.Policies[:1] })(t, r)
		}, false, false},
		{"public access off", document(func(v *catalog.Vault) { v.PublicNetworkAccess = "Disabled" }), false, false},
		{"vault deleted", document(func(v *catalog.Vault) { v.Deleted = &catalog.Deletion{} }), false, false},
		{"vault replaced", func(_ *testing.T, r *readingTest) {
			v := r.vault("w").Clone()
			v.Name = "v"
			r.putVault(v)
		}, false, false},
		{"new version", func(_ *testing.T, r *readingTest) { r.set("v", "name", "three") }, false, true},
		{"disabled", update(Attributes{Enabled: new(bool)}), false, false},
		{"expires", update(Attributes{Expires: ptr(testStart - 2*ClockLeeway)}), false, false},
		{"deleted", func(t *testing.T, r *readingTest) {
			must(r.other.DeleteSecret(r.ctx(), call("v"), "name"))(t)
			must(r.other.DeleteKey(r.ctx(), call("v"), "name"))(t)
		}, false, false},
		{"deleted and recovered", func(t *testing.T, r *readingTest) {
			must(r.other.DeleteSecret(r.ctx(), call("v"), "name"))(t)
			must(r.other.RecoverSecret(r.ctx(), call("v"), "name"))(t)
		}, false, true},
		{"another caller", func(_ *testing.T, r *readingTest) { r.call.Caller.ObjectID = otherApp }, false, false},
		{"another tenant", func(_ *testing.T, r *readingTest) { r.call.Caller.TenantID = testSub }, false, false},
		{"another application of the caller", func(_ *testing.T, r *readingTest) { r.call.Caller.AppID = otherApp }, false, true},
		{"another issuer", func(_ *testing.T, r *readingTest) { r.call.Caller.Issuer = "https://issuer.example.com" }, false, true},
		{"another group", func(_ *testing.T, r *readingTest) { r.call.Caller.Groups = []string{"other"} }, false, true},
		{"the vault in capitals", func(_ *testing.T, r *readingTest) { r.call.Vault = "V" }, true, true},
		{"another address", func(_ *testing.T, r *readingTest) { r.call.Origin.Address = "192.0.2.9" }, true, true},
		{"audit log broken", func(_ *testing.T, r *readingTest) {
			r.sink.Break()
			_, _ = r.svc.GetSecret(r.ctx(), r.call, "name", "")
		}, false, false},
	} {
		for _, rbac := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, roles %v", tc.name, rbac), func(t *testing.T) {
				t.Parallel()
				r := newReadingTest(t, rbac)
				tc.change(t, r)
				if again, err := r.svc.Again(r.ctx(), r.call, r.got.Reading); again != tc.again || err != nil {
					t.Errorf("Again says %v, %v, want %v", again, err, tc.again)
				}
				for _, s := range []*Service{r.svc, r.node(r.store)} {
					if err := r.sign(s); (err == nil) != tc.signs || err != nil && !isRefusal(err) {
						t.Errorf("signing: %v, want success: %v", err, tc.signs)
					}
				}
				r.sink.Mend()
			})
		}
	}
}

func isRefusal(err error) bool {
	f, ok := fault.As(err)
	return ok && slices.Contains([]fault.Kind{fault.Forbidden, fault.NotFound, fault.Unavailable}, f.Kind)
}

// TestReadingAsksTheNetworkRules: they are the one decision that needs more than
// the caller and the records.
func TestReadingAsksTheNetworkRules(t *testing.T) {
	t.Parallel()
	r := newReadingTest(t, false)
	v := r.document.Clone()
	v.Network = &catalog.NetworkACLs{DefaultAction: "Deny", IPRules: []string{"192.0.2.1"}}
	r.putVault(v)
	got := must(r.svc.GetSecret(r.ctx(), r.call, "name", ""))(t)
	for address, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "": false} {
		r.call.Origin.Address = address
		if again, err := r.svc.Again(r.ctx(), r.call, got.Reading); again != want || err != nil {
			t.Errorf("from %q: %v, %v, want %v", address, again, err, want)
		}
	}
}

// TestReadingIsAudited: the record says the same as that of the operation, of
// another request.
func TestReadingIsAudited(t *testing.T) {
	t.Parallel()
	r := newReadingTest(t, false)
	r.audited()
	r.call.Origin.RequestID = "another"
	must(r.svc.GetSecret(r.ctx(), r.call, "name", ""))(t)
	if again, err := r.svc.Again(r.ctx(), r.call, r.got.Reading); !again || err != nil {
		t.Fatal(again, err)
	}
	for _, s := range []*Service{r.other, r.svc} {
		if err := r.sign(s); err != nil {
			t.Fatal(err)
		}
	}
	records := r.audited()
	if len(records) != 4 {
		t.Fatalf("%d records", len(records))
	}
	for i := range records {
		records[i].ID, records[i].Time = "", audit.Record{}.Time
	}
	for _, i := range []int{0, 2} {
		if !reflect.DeepEqual(records[i], records[i+1]) || records[i].Object == "" || records[i].Origin.RequestID != "another" {
			t.Errorf("the operation: %+v\nagain: %+v", records[i], records[i+1])
		}
	}
	r.sink.Break()
	if again, err := r.svc.Again(r.ctx(), r.call, r.got.Reading); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without an audit log: %v, %v", again, err)
	}
	r.sink.Mend()
	r.recoverSink()
}

// TestUseExpiresWhileItIsKept: time is no record.
func TestUseExpiresWhileItIsKept(t *testing.T) {
	t.Parallel()
	r := newReadingTest(t, false)
	expires := testStart + 1000
	must(r.svc.UpdateKey(r.ctx(), call("v"), "name", "", UpdateKey{Attributes: Attributes{Expires: &expires}}))(t)
	for range 3 {
		if err := r.sign(r.svc); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.add(1000 + ClockLeeway)
	if err := r.sign(r.svc); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("an expired key signs: %v", err)
	}
}
