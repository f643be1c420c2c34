"""Every algorithm of RSA and EC keys through the library of 2018, at both of its API
versions, each held against the package cryptography.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import hashlib
import inspect
import os

from azure.common.credentials import ServicePrincipalCredentials
from azure.keyvault import KeyVaultAuthentication, KeyVaultClient
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from msrest.exceptions import HttpOperationError

VAULT = os.environ['AZURE_KEYVAULT_URL'].rstrip('/')

# The library counts the callback's parameters with a function that Python 3.11
# no longer has.
if not hasattr(inspect, 'getargspec'):
    inspect.getargspec = inspect.getfullargspec


def authenticate(server, resource, scope):
    token = ServicePrincipalCredentials(
        client_id=os.environ['AZURE_CLIENT_ID'], secret=os.environ['AZURE_CLIENT_SECRET'], tenant=os.environ['AZURE_TENANT_ID'],
        resource=resource).token
    return token['token_type'], token['access_token']


def saw(what):
    print('ok', what, flush=True)


def refused(call, *args):
    try:
        call(*args)
    except HttpOperationError as e:
        assert e.response.status_code == 400 and e.error.error.code == 'BadParameter', e
        return
    raise AssertionError('not refused')


def number(b):
    return int.from_bytes(b, 'big')


def hash_of(algorithm):
    return {'256': hashes.SHA256(), '384': hashes.SHA384(), '512': hashes.SHA512()}[algorithm[-3:]]


def oaep(h):
    return padding.OAEP(padding.MGF1(h), h, None)


CIPHERS = {'RSA1_5': padding.PKCS1v15(), 'RSA-OAEP': oaep(hashes.SHA1()), 'RSA-OAEP-256': oaep(hashes.SHA256())}


def check_rsa(client):
    key = client.create_key(VAULT, 'rsa', 'RSA', key_size=2048).key
    version = key.kid.rsplit('/', 1)[1]
    public = rsa.RSAPublicNumbers(number(key.e), number(key.n)).public_key()
    secret = os.urandom(32)
    for algorithm, pad in CIPHERS.items():
        for there, back in ((client.encrypt, client.decrypt), (client.wrap_key, client.unwrap_key)):
            made = there(VAULT, 'rsa', version, algorithm, secret)
            assert made.kid == key.kid, made.kid
            for ciphertext in (made.result, public.encrypt(secret, pad)):
                # The current version is asked for without naming it.
                assert back(VAULT, 'rsa', '', algorithm, ciphertext).result == secret, algorithm
    refused(client.decrypt, VAULT, 'rsa', '', 'RSA-OAEP', b'\x01' * 256)
    for algorithm in ('RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'):
        h = hash_of(algorithm)
        digest = hashlib.new(h.name, b'what is signed').digest()
        pad = padding.PKCS1v15() if algorithm[0] == 'R' else padding.PSS(padding.MGF1(h), h.digest_size)
        signed = client.sign(VAULT, 'rsa', version, algorithm, digest)
        assert signed.kid == key.kid
        public.verify(signed.result, digest, pad, utils.Prehashed(h))
        assert client.verify(VAULT, 'rsa', '', algorithm, digest, signed.result).value is True
        assert client.verify(VAULT, 'rsa', '', algorithm, digest[::-1], signed.result).value is False
        refused(client.sign, VAULT, 'rsa', '', algorithm, digest[1:])
    saw('RSA at ' + client.api_version)


def check_ec(client):
    first = client.api_version == '2016-10-01'
    for curve, group, algorithm, hash_name in (
            ('P-256', ec.SECP256R1(), 'ES256', 'sha256'), ('P-384', ec.SECP384R1(), 'ES384', 'sha384'),
            ('P-521', ec.SECP521R1(), 'ES512', 'sha512'),
            ('SECP256K1' if first else 'P-256K', ec.SECP256K1(), 'ECDSA256' if first else 'ES256K', 'sha256')):
        key = client.create_key(VAULT, 'ec', 'EC', curve=curve).key
        assert key.crv == curve, key.crv
        public = ec.EllipticCurvePublicNumbers(number(key.x), number(key.y), group).public_key()
        digest = hashlib.new(hash_name, b'what is signed').digest()
        signature = client.sign(VAULT, 'ec', '', algorithm, digest).result
        half = len(signature) // 2
        assert half == len(key.x)
        der = utils.encode_dss_signature(number(signature[:half]), number(signature[half:]))
        scheme = ec.ECDSA(utils.Prehashed(getattr(hashes, hash_name.upper())()))
        public.verify(der, digest, scheme)
        assert client.verify(VAULT, 'ec', '', algorithm, digest, signature).value is True
        assert client.verify(VAULT, 'ec', '', algorithm, digest, signature[::-1]).value is False
        try:
            public.verify(der, digest[::-1], scheme)
            raise SystemExit('anything is a signature')
        except InvalidSignature:
            pass
    refused(client.sign, VAULT, 'ec', '', 'ES384', b'\x01' * 48)
    saw('EC at ' + client.api_version)


for version in ('2016-10-01', '7.0'):
    client = KeyVaultClient(KeyVaultAuthentication(authenticate), api_version=version)
    client.api_version = version
    check_rsa(client)
    check_ec(client)
print('DONE')
