"""Releases keys of each type with each encryption, and opens what arrives with
libraries that know nothing of OpenKeyVault."""

import base64
import json
import os

import jwt
import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import EnvironmentCredential
from azure.keyvault.keys import KeyClient, KeyReleasePolicy
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from cryptography.x509 import DNSName, SubjectAlternativeName, load_der_x509_certificate

ATTESTATION = os.environ["AZURE_KEYVAULT_ATTESTATION_URL"]
DIGESTS = {"CKM_RSA_AES_KEY_WRAP": hashes.SHA1, "RSA_AES_KEY_WRAP_256": hashes.SHA256, "RSA_AES_KEY_WRAP_384": hashes.SHA384}

with open(os.environ["RECIPIENT_KEY"], "rb") as f:
    recipient = serialization.load_pem_private_key(f.read(), None)


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def policy(value):
    document = {"version": "1.0.0", "anyOf": [{"authority": ATTESTATION, "allOf": [{"claim": "sdk-test", "equals": value}]}]}
    return KeyReleasePolicy(json.dumps(document).encode())


def token():
    return requests.get(ATTESTATION + "generate-test-token", timeout=30).json()["token"]


def verified(result):
    header = jwt.get_unverified_header(result.value)
    leaf = load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == ["dev.vault.azure.net"], names
    assert header["kid"] == leaf.fingerprint(hashes.SHA1()).hex().upper()
    return jwt.decode(result.value, leaf.public_key(), algorithms=[header["alg"]])


def opened(payload, enc):
    jwk = payload["response"]["key"]["key"]
    blob = json.loads(decode(jwk["key_hsm"]))
    assert blob["header"] == {"kid": "fake-release-key", "alg": "dir", "enc": enc}, blob["header"]
    wrapped, size = decode(blob["ciphertext"]), recipient.key_size // 8
    digest = DIGESTS[enc]()
    wrapping = recipient.decrypt(wrapped[:size], padding.OAEP(padding.MGF1(digest), digest, None))
    return serialization.load_der_private_key(aes_key_unwrap_with_padding(wrapping, wrapped[size:]), None)


client = KeyClient(os.environ["AZURE_KEYVAULT_URL"], EnvironmentCredential())
made = {
    "release-rsa": client.create_rsa_key("release-rsa", hardware_protected=True, exportable=True, release_policy=policy("true")),
    "release-p256k": client.create_ec_key("release-p256k", curve="P-256K", hardware_protected=True, exportable=True, release_policy=policy("true")),
    "release-p521": client.create_ec_key("release-p521", curve="P-521", hardware_protected=True, exportable=True, release_policy=policy("true")),
}
for name, key in made.items():
    assert key.properties.exportable and not key.properties.release_policy.immutable
    for enc in [None, *DIGESTS]:
        payload = verified(client.release_key(name, token(), algorithm=enc, nonce="n"))
        used = enc or "CKM_RSA_AES_KEY_WRAP"
        assert payload["request"]["nonce"] == "n" and payload["request"]["enc"] == used, payload["request"]
        private = opened(payload, used)
        numbers = private.public_key().public_numbers()
        if isinstance(private, ec.EllipticCurvePrivateKey):
            assert (numbers.x, numbers.y) == (int.from_bytes(key.key.x), int.from_bytes(key.key.y))
        else:
            assert (numbers.n, numbers.e) == (int.from_bytes(key.key.n), int.from_bytes(key.key.e))
    print("ok", name)

client.create_ec_key("release-other", hardware_protected=True, exportable=True, release_policy=policy("false"))
try:
    client.release_key("release-other", token())
    raise AssertionError("released against the policy")
except HttpResponseError as e:
    assert e.status_code == 403 and "does not meet key release policy requirements" in e.message, e
client.update_key_properties("release-other", release_policy=policy("true"))
verified(client.release_key("release-other", token()))
print("ok policy")
print("DONE")
