//go:build ignore

// Command extract reads the test vectors of Wycheproof and writes those that this
// package can run, without what they say twice. See README.md.
package main

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// rule says what of a file is kept.
type rule struct {
	files string // a pattern
	keep  func(group map[string]any) bool
	group []string // members of a group; "a.b" is member b of a
	test  []string
	alike int // the most tests of a file with the same flags, result and sizes; 0 for no limit
}

var (
	all       = func(map[string]any) bool { return true }
	rsaCipher = []string{"sha", "keySize", "privateKeyJwk", "privateKeyPkcs8"}
	rsaVerify = []string{"sha", "keySize", "publicKey.modulus", "publicKey.publicExponent"}
)

var rules = []rule{
	{"aes_gcm_test.json", func(g map[string]any) bool { return g["ivSize"] == 96. && g["tagSize"] == 128. }, nil, words("key iv aad msg ct tag"), 0},
	{"aes_cbc_pkcs5_test.json", all, nil, words("key iv msg ct"), 0},
	{"aes_wrap_test.json", all, nil, words("key msg ct"), 0},
	{"aes_kwp_test.json", all, nil, words("key msg ct"), 0},
	{"hmac_sha???_test.json", func(g map[string]any) bool { return g["tagSize"].(float64) >= 256 }, words("tagSize"), words("key msg tag"), 0},
	{"ecdsa_secp256r1_sha256_p1363_test.json", all, words("publicKey.uncompressed"), words("msg sig"), 0},
	{"ecdsa_secp384r1_sha384_p1363_test.json", all, words("publicKey.uncompressed"), words("msg sig"), 0},
	{"ecdsa_secp521r1_sha512_p1363_test.json", all, words("publicKey.uncompressed"), words("msg sig"), 0},
	{"ecdsa_secp256k1_sha256_p1363_test.json", all, words("publicKey.uncompressed"), words("msg sig"), 0},
	{"rsa_oaep_*_test.json", func(g map[string]any) bool {
		return ourSize(g) && g["sha"] == g["mgfSha"] && (g["sha"] == "SHA-1" || g["sha"] == "SHA-256")
	}, rsaCipher, words("msg ct label"), 0},
	{"rsa_pkcs1_*[0-9]_test.json", ourSize, rsaCipher, words("msg ct"), 4},
	{"rsa_pkcs1_*_sig_gen_test.json", func(g map[string]any) bool { return ourSize(g) && ourHash(g) }, rsaCipher, words("msg sig"), 0},
	{"rsa_signature_2048_sha256_test.json", all, rsaVerify, words("msg sig"), 0},
	{"rsa_signature_[234]*_sha???_test.json", func(g map[string]any) bool { return ourSize(g) && ourHash(g) }, rsaVerify, words("msg sig"), 3},
	{"rsa_pss_2048_sha256_mgf1_32_test.json", all, append(words("sLen"), rsaVerify...), words("msg sig"), 0},
	{"rsa_pss_*_test.json", func(g map[string]any) bool { return ourSize(g) && ourHash(g) && g["sha"] == g["mgfSha"] }, append(words("sLen"), rsaVerify...), words("msg sig"), 3},
	{"mldsa_*_sign_seed_test.json", all, words("privateSeed publicKey"), words("msg ctx mu sig"), 2},
	{"mldsa_*_verify_test.json", all, words("publicKey"), words("msg ctx sig"), 2},
}

func words(s string) []string { return strings.Fields(s) }

func ourSize(g map[string]any) bool {
	size, _ := g["keySize"].(float64)
	return size == 2048 || size == 3072 || size == 4096
}

func ourHash(g map[string]any) bool {
	return g["sha"] == "SHA-256" || g["sha"] == "SHA-384" || g["sha"] == "SHA-512"
}

var everything = flag.Bool("all", false, "keep tests however many are alike")

type file struct {
	Name   string           `json:"name"`
	Groups []map[string]any `json:"groups"`
}

func main() {
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: go run extract.go [-all] DIRECTORY/testvectors_v1 OUTPUT")
	}
	var out []file
	seen := map[string]bool{}
	for _, r := range rules {
		names, err := filepath.Glob(filepath.Join(flag.Arg(0), r.files))
		if err != nil || len(names) == 0 {
			log.Fatalf("%s: no file, %v", r.files, err)
		}
		for _, name := range names {
			base := filepath.Base(name)
			if seen[base] || strings.Contains(base, "three_primes") || strings.Contains(base, "_params_") {
				continue
			}
			seen[base] = true
			if f := r.read(name); len(f.Groups) > 0 {
				out = append(out, f)
			}
		}
	}
	w, err := os.Create(flag.Arg(1))
	check(err)
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	check(err)
	check(json.NewEncoder(z).Encode(out))
	check(z.Close())
	check(w.Close())
}

func (r rule) read(name string) file {
	text, err := os.ReadFile(name)
	check(err)
	var in struct{ TestGroups []map[string]any }
	check(json.Unmarshal(text, &in))
	f := file{Name: filepath.Base(name)}
	alike := map[string]int{}
	for _, g := range in.TestGroups {
		if !r.keep(g) {
			continue
		}
		kept := pick(g, r.group)
		if kept["privateKeyJwk"] != nil {
			delete(kept, "privateKeyPkcs8")
		}
		var tests []map[string]any
		for _, t := range g["tests"].([]any) {
			t := t.(map[string]any)
			kind := fmt.Sprint(t["flags"], t["result"], size(t["sig"]), size(t["ct"]))
			if alike[kind]++; !*everything && r.alike != 0 && alike[kind] > r.alike {
				continue
			}
			tests = append(tests, pick(t, append(words("tcId comment result"), r.test...)))
		}
		if len(tests) == 0 {
			continue
		}
		kept["tests"] = tests
		f.Groups = append(f.Groups, kept)
	}
	return f
}

func pick(from map[string]any, names []string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		outer, inner, nested := strings.Cut(name, ".")
		if v, ok := from[outer]; ok && !nested {
			out[name] = v
		} else if m, ok := v.(map[string]any); ok {
			out[inner] = m[inner]
		}
	}
	return out
}

func size(v any) int {
	s, _ := v.(string)
	return len(s)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
