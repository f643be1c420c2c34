package keyops

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func octKey(t testing.TB, k []byte) *Key {
	t.Helper()
	key, err := Import(PrivateJWK{Type: TypeOct, K: k})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// vector is an operation as OpenSSL has done it. Key is the name of a file of
// testdata/jwk, or the octets themselves. Out is the result; of verify it is the
// signature.
type vector struct {
	Alg                               Algorithm
	Key, Op, Value, IV, AAD, Tag, Out string
	value, iv, aad, tag, out          []byte
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "openssl", "operations.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		v := &all[i]
		v.value, v.iv, v.aad, v.tag, v.out = b64(t, v.Value), b64(t, v.IV), b64(t, v.AAD), b64(t, v.Tag), b64(t, v.Out)
	}
	return all
}

func (v vector) key(t testing.TB) *Key {
	t.Helper()
	if _, err := os.Stat(filepath.Join("testdata", "jwk", v.Key+".json")); err == nil {
		return importedJWK(t, v.Key)
	}
	return octKey(t, b64(t, v.Key))
}

// TestOpenSSLOperations does what OpenSSL has done, and undoes it.
func TestOpenSSLOperations(t *testing.T) {
	keys, seen := map[string]*Key{}, map[Algorithm]int{}
	for i, v := range readVectors(t) {
		if keys[v.Key] == nil {
			keys[v.Key] = v.key(t)
		}
		v.check(t, i, keys[v.Key])
		seen[v.Alg]++
	}
	for _, a := range algorithms {
		if seen[a.name] == 0 && a.name != ES256 && a.name != ES512 && a.name != RSANull && a.key != TypeAKP { // see TestPublishedSignatures, TestRSANull, TestWycheproof
			t.Errorf("no vectors of %s", a.name)
		}
	}
	t.Logf("%v", seen)
}

func (v vector) check(t *testing.T, i int, key *Key) {
	t.Helper()
	var got []byte
	var err error
	want := v.out
	switch v.Op {
	case "sign":
		got, err = key.Sign(v.Alg, v.value)
		fallthrough
	case "verify":
		if ok, err := key.Verify(v.Alg, v.value, v.out); !ok || err != nil {
			t.Errorf("%d: %s does not verify: %v", i, v.Alg, err)
		}
		if v.Op == "verify" {
			return
		}
	case "decrypt":
		var out Output
		out, err = key.Decrypt(v.Alg, Input{Value: v.value, IV: v.iv, AAD: v.aad, Tag: v.tag})
		got = out.Value
	case "encrypt", "wrapKey":
		do, undo := key.Encrypt, key.Decrypt
		if v.Op == "wrapKey" {
			do, undo = key.Wrap, key.Unwrap
		}
		var out Output
		out, err = do(v.Alg, Input{Value: v.value, IV: v.iv})
		got = out.Value
		if back, err := undo(v.Alg, Input{Value: v.out, IV: v.iv}); err != nil || !bytes.Equal(back.Value, v.value) {
			t.Errorf("%d: %s is not undone: %x, %v, want %x", i, v.Alg, back.Value, err, v.value)
		}
	default:
		t.Fatalf("an unknown operation %s", v.Op)
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d: %s of %s: %x, %v, want %x", i, v.Op, v.Alg, got, err, want)
	}
}

// TestPublishedSignatures has what the standards print: RFC 7515 appendix A, and
// for P-256K the vector of the key 1 that its implementations share.
func TestPublishedSignatures(t *testing.T) {
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	sum256 := func(s string) []byte { d := sha256.Sum256([]byte(s)); return d[:] }
	sum512 := func(s string) []byte { d := sha512.Sum512([]byte(s)); return d[:] }
	one, err := ParsePrivate(append([]byte{format1, encodingKoblitz}, append(make([]byte, 31), 1)...))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name          string
		key           *Key
		alg           Algorithm
		digest        []byte
		signature     []byte
		deterministic bool
	}{
		{"A.2", importedJWK(t, "rfc7515-a2"), RS256, sum256("eyJhbGciOiJSUzI1NiJ9." + joe), b64(t,
			"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"), true},
		{"A.3", importedJWK(t, "rfc7515-a3"), ES256, sum256("eyJhbGciOiJFUzI1NiJ9." + joe), b64(t,
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"), false},
		{"A.4", importedJWK(t, "rfc7515-a4"), ES512, sum512("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"), b64(t,
			"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"), false},
		{"the key 1", one, ES256K, sum256("Satoshi Nakamoto"), unhex(t,
			"934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"+"2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if ok, err := tt.key.Verify(tt.alg, tt.digest, tt.signature); !ok || err != nil {
				t.Errorf("the published signature is %v, %v", ok, err)
			}
			got, err := tt.key.Sign(tt.alg, tt.digest)
			if err != nil || tt.deterministic && !bytes.Equal(got, tt.signature) {
				t.Errorf("signed %x, %v", got, err)
			}
			if ok, err := tt.key.Verify(tt.alg, tt.digest, got); !ok || err != nil {
				t.Errorf("our signature is %v, %v", ok, err)
			}
		})
	}
}

// TestPublishedEncryptedKeys is RFC 7516 appendices A.1 and A.2.
func TestPublishedEncryptedKeys(t *testing.T) {
	for _, tt := range []struct {
		key         string
		alg         Algorithm
		cek, closed string
	}{
		{"rfc7516-a1", RSAOAEP, "b1a1f480548fe1733fb403ff6b9ad4f68a076e5b702e22692f82cb2e7aea40fc",
			"OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg"},
		{"rfc7516-a2", RSA15, "04d31fc5549dfcfe0b649dfa3faa6ace6b7cd42d6f6b09dbc8b100f08f9c2ccf",
			"UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPLgNZ__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMWI5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv-B3oWh2TbqmScqXMR4gp_A"},
	} {
		got, err := importedJWK(t, tt.key).Unwrap(tt.alg, Input{Value: b64(t, tt.closed)})
		if err != nil || !bytes.Equal(got.Value, unhex(t, tt.cek)) {
			t.Errorf("%s: %x, %v, want %s", tt.key, got.Value, err, tt.cek)
		}
	}
}

// TestPublishedKeyWraps is RFC 3394 section 4 and RFC 5649 section 6.
func TestPublishedKeyWraps(t *testing.T) {
	const (
		kek  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		data = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
		pad  = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
	)
	for _, tt := range []struct {
		alg               Algorithm
		kek, data, closed string
	}{
		{A128KW, kek[:32], data[:32], "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{A192KW, kek[:48], data[:32], "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{A256KW, kek, data[:32], "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{A192KW, kek[:48], data[:48], "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{A256KW, kek, data[:48], "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{A256KW, kek, data, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
		{AESKeyWrap, kek, data, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
		{AESKeyWrapPad, pad, "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{AESKeyWrapPad, pad, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		key := octKey(t, unhex(t, tt.kek))
		if got, err := key.Wrap(tt.alg, Input{Value: unhex(t, tt.data)}); err != nil || hex.EncodeToString(got.Value) != tt.closed {
			t.Errorf("%s: %x, %v, want %s", tt.alg, got.Value, err, tt.closed)
		}
		if got, err := key.Unwrap(tt.alg, Input{Value: unhex(t, tt.closed)}); err != nil || hex.EncodeToString(got.Value) != tt.data {
			t.Errorf("%s undone: %x, %v, want %s", tt.alg, got.Value, err, tt.data)
		}
	}
}

// TestPublishedAES is the AES part of RFC 7518 appendix B.1, of SP 800-38A
// sections F.2.1, F.2.3 and F.2.5 (CBC), and the GCM specification's cases 4 and 16.
func TestPublishedAES(t *testing.T) {
	const (
		nist   = "6bc1bee22e409f96e93d7e117393172a"
		nistIV = "000102030405060708090a0b0c0d0e0f"
		gcmP   = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
		gcmAAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		gcmIV  = "cafebabefacedbaddecaf888"
		gcmK   = "feffe9928665731c6d6a8f9467308308"
	)
	kerckhoffs := hex.EncodeToString([]byte("A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience"))
	for _, tt := range []struct {
		alg                                Algorithm
		key, iv, aad, value, closed, tagAs string
	}{
		{A128CBC, "2b7e151628aed2a6abf7158809cf4f3c", nistIV, "", nist, "7649abac8119b246cee98e9b12e9197d", ""},
		{A192CBC, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", nistIV, "", nist, "4f021db243bc633d7178183a9fa071e8", ""},
		{A256CBC, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", nistIV, "", nist, "f58c4c04d6e5f1ba779eabfb5f7bfbd6", ""},
		{A128CBCPAD, "101112131415161718191a1b1c1d1e1f", "1af38c2dc2b96ffdd86694092341bc04", "", kerckhoffs,
			"c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db", ""},
		{A128GCM, gcmK, gcmIV, gcmAAD, gcmP,
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091", "5bc94fbc3221a5db94fae95ae7121a47"},
		{A256GCM, gcmK + gcmK, gcmIV, gcmAAD, gcmP,
			"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662", "76fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		key := octKey(t, unhex(t, tt.key))
		got, err := key.Decrypt(tt.alg, Input{Value: unhex(t, tt.closed), IV: unhex(t, tt.iv), AAD: unhex(t, tt.aad), Tag: unhex(t, tt.tagAs)})
		if err != nil || hex.EncodeToString(got.Value) != tt.value {
			t.Errorf("%s decrypts to %x, %v, want %s", tt.alg, got.Value, err, tt.value)
		}
		if tt.tagAs != "" {
			continue // takes a nonce of its own
		}
		got, err = key.Encrypt(tt.alg, Input{Value: unhex(t, tt.value), IV: unhex(t, tt.iv)})
		if err != nil || hex.EncodeToString(got.Value) != tt.closed {
			t.Errorf("%s encrypts to %x, %v, want %s", tt.alg, got.Value, err, tt.closed)
		}
	}
}

// TestPublishedMACs is RFC 7515 appendix A.1 and RFC 4231 test case 2. Their
// messages are no digests, which Sign demands, so this is below it.
func TestPublishedMACs(t *testing.T) {
	row := func(name Algorithm) algorithm {
		for _, a := range algorithms {
			if a.name == name {
				return a
			}
		}
		panic(name)
	}
	jws := b64(t, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	const what = "what do ya want for nothing?"
	for _, tt := range []struct {
		alg     Algorithm
		key     []byte
		message string
		want    []byte
	}{
		{HS256, jws, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
			b64(t, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")},
		{HS256, []byte("Jefe"), what, unhex(t, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")},
		{HS384, []byte("Jefe"), what, unhex(t, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649")},
		{HS512, []byte("Jefe"), what, unhex(t, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")},
	} {
		if got := (&symmetricKey{octets: tt.key}).mac(row(tt.alg), []byte(tt.message)); !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %x, want %x", tt.alg, got, tt.want)
		}
	}
}
