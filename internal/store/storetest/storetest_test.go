package storetest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/storetest"
)

// faultVariable makes the engine of TestRun a broken one, for the child processes
// of TestRunNoticesFaults.
const faultVariable = "STORETEST_FAULT"

// An engine with a fault does what must not happen as soon as it gets to run,
// which a busy machine delays.
func TestMain(m *testing.M) {
	if os.Getenv(faultVariable) != "" {
		storetest.SetGrace(30 * time.Second)
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return newEngine(fault(os.Getenv(faultVariable))) })
}

// Every requirement of the suite fails for an engine that does not meet it: a
// test that passes for all engines proves nothing.
func TestRunNoticesFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault fault
		tests string
	}{
		{"sorts what it gets", "Reads/GetKeepsTheOrderOfKeys"},
		{"trims keys", "Reads/GetIsExact Reads/AnyBytesInKeysAndValues Model/RandomOperations"},
		{"empty is absent", "Reads/EmptyValueExists"},
		{"first write wins", "Writes/LastWriteOfAKeyWins Model/RandomOperations"},
		{"deletes what is there", "Writes/LastWriteOfAKeyWins"},
		{"ranges last", "Writes/DeleteRangeAmongOwnWrites Writes/TxShowsItsOwnRanges Model/RandomOperations"},
		{"scans backwards", "Reads/ScanIsInByteOrder"},
		{"end is in the range", "Reads/ScanKeepsToTheRange Reads/ScanOfAnEmptyRange Writes/DeleteRange"},
		{"no limit", "Reads/ScanStopsAtTheLimit"},
		{"own writes unseen", "Writes/TxShowsItsOwnPuts Writes/TxShowsItsOwnDeletes Writes/TxShowsItsOwnRanges Model/RandomOperations"},
		{"own ranges unseen", "Writes/TxShowsItsOwnRanges"},
		{"own writes have revisions", "Writes/TxShowsItsOwnPuts"},
		{"nothing changes", "Revisions/Unchanged"},
		{"everything changes", "Revisions/Unchanged"},
		{"first of many", "Revisions/Unchanged"},
		{"forgets what is gone", "Revisions/Unchanged"},
		{"revision per record", "Revisions/NotReusedAfterDelete Revisions/NotReusedAfterDeleteRange Revisions/UnequalAcrossRecords Model/RandomOperations"},
		{"revision per update", "Revisions/UnequalAcrossRecords"},
		{"revision per value", "Revisions/ChangedByEveryPut"},
		{"no bounds", "Bounds/KeyTooLong Bounds/EmptyKey Bounds/ValueTooLong Bounds/TooManyWrites Bounds/TooManyBytes Bounds/ScanTooLarge"},
		{"counts values only", "Bounds/TooManyBytes"},
		{"bounds too tight", "Bounds/LongestKey Bounds/LongestValue Bounds/LargestScan"},
		{"writes what fails", "Atomicity/ErrorWritesNothing Atomicity/PanicWritesNothing Atomicity/EndedGoroutineWritesNothing Revisions/KeptByWhatDoesNotPut"},
		{"own errors", "Atomicity/ErrorWritesNothing Bounds/OwnErrorComesFirst"},
		{"views move", "Isolation/ViewDoesNotMove"},
		{"views lag", "Isolation/ViewShowsWhatHasReturned Reads/ScanIsInByteOrder"},
		{"views go back", "Isolation/ViewsNeverGoBack"},
		{"shows half", "Isolation/ViewIsOneState Isolation/TransfersKeepTheTotal"},
		{"reads are no conditions", "Isolation/NoIncrementIsLost Isolation/ReadsAreConditions"},
		{"absent reads are no conditions", "Isolation/OneOfManyCreates Isolation/ReadsAreConditions"},
		{"only writes are conditions", "Isolation/NoWriteSkew Isolation/ReadsAreConditions"},
		{"no context", "Contexts/EndedBeforeUpdate Contexts/EndedBeforeView Contexts/EndedInUpdate"},
		{"context before only", "Contexts/EndedInUpdate"},
		{"shares memory", "Memory/PutCopies Memory/DeleteCopies Memory/GetGivesItsOwnMemory Memory/ScanGivesItsOwnMemory Memory/TxGivesItsOwnMemory"},
		{"open for ever", "Close/RefusesAfterwards"},
		{"close once", "Close/MayBeCalledAgain"},
		{"close does not wait", "Close/WaitsForAnUpdate"},
	} {
		t.Run(string(tc.fault), func(t *testing.T) {
			t.Parallel()
			wantFailures(t, tc.fault, strings.Fields(tc.tests))
		})
	}
}

// wantFailures runs the tests on an engine with the fault, in a process of its
// own, because a failed test fails its parents.
func wantFailures(t *testing.T, f fault, tests []string) {
	t.Helper()
	for _, name := range tests {
		suite, test, _ := strings.Cut(name, "/")
		pattern := fmt.Sprintf("^TestRun$/^%s$/^%s$", suite, test)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.count=1", "-test.timeout=10m")
		cmd.Env = append(os.Environ(), faultVariable+"="+string(f))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--- FAIL: TestRun/"+name) {
			t.Errorf("%s passes (%v):\n%s", name, err, out)
		}
	}
}
