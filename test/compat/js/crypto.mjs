// Every algorithm of RSA and EC keys: what the service makes node undoes or checks
// by itself, and the reverse.
//
// Prints one line for each thing that was seen to be so, and DONE at the end.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { DefaultAzureCredential } from '@azure/identity'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'

const credential = new DefaultAzureCredential()
const keys = new KeyClient(process.env.AZURE_KEYVAULT_URL, credential)
const { constants } = crypto

const saw = what => console.log('ok', what)
const message = Buffer.from('what is signed')
const hashOf = algorithm => 'sha' + algorithm.slice(2, 5)
const digestFor = algorithm => crypto.createHash(hashOf(algorithm)).update(message).digest()

// A client that asks the service for everything, as one does whose application may
// not read keys: else it does alone what takes a public key.
function remote (id) {
  const client = new CryptographyClient(id, credential)
  client.key = { kind: 'remoteOnlyIdentifier', value: id }
  return client
}

function nodeKey (key) {
  const jwk = { kty: key.kty.replace('-HSM', '') }
  if (key.crv) jwk.crv = key.crv.replace('P-256K', 'secp256k1')
  for (const name of ['n', 'e', 'x', 'y']) if (key[name]) jwk[name] = Buffer.from(key[name]).toString('base64url')
  return crypto.createPublicKey({ key: jwk, format: 'jwk' })
}

function refused (promise, status = 400, code = 'BadParameter') {
  return assert.rejects(promise, e => {
    assert.equal(e.statusCode, status, e.message)
    assert.equal(e.code, code, e.message)
    return true
  })
}

const paddings = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
}

function isSignature (key, algorithm, data, signature) {
  const options = { key }
  if (algorithm.startsWith('PS')) Object.assign(options, { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })
  if (algorithm.startsWith('ES')) options.dsaEncoding = 'ieee-p1363'
  return crypto.verify(hashOf(algorithm), data, options, signature)
}

async function checkCiphers (made) {
  const [asked, usual, own] = [remote(made.id), new CryptographyClient(made, credential), nodeKey(made.key)]
  const secret = crypto.randomBytes(32)
  for (const [algorithm, options] of Object.entries(paddings)) {
    const ciphertexts = [crypto.publicEncrypt({ key: own, ...options }, secret)]
    for (const maker of [asked, usual]) {
      ciphertexts.push((await maker.encrypt({ algorithm, plaintext: secret })).result)
      ciphertexts.push((await maker.wrapKey(algorithm, secret)).result)
    }
    for (const ciphertext of ciphertexts) {
      assert.deepEqual(Buffer.from((await asked.decrypt({ algorithm, ciphertext })).result), secret)
      assert.deepEqual(Buffer.from((await usual.unwrapKey(algorithm, ciphertext)).result), secret)
    }
    if (algorithm !== 'RSA1_5') {
      const garbled = Buffer.from(ciphertexts[0])
      garbled[0] ^= 1
      await refused(asked.decrypt({ algorithm, ciphertext: garbled }))
    }
  }
}

async function checkSignatures (made, algorithms) {
  const [asked, usual, own] = [remote(made.id), new CryptographyClient(made, credential), nodeKey(made.key)]
  for (const algorithm of algorithms) {
    const digest = digestFor(algorithm)
    const signatures = [(await asked.sign(algorithm, digest)).result, (await usual.signData(algorithm, message)).result]
    for (const signature of signatures) {
      assert.ok(isSignature(own, algorithm, message, signature), algorithm)
      assert.equal((await asked.verify(algorithm, digest, signature)).result, true)
      assert.equal((await asked.verifyData(algorithm, message, signature)).result, true)
      const wrong = Buffer.from(signature)
      wrong[wrong.length - 1] ^= 1
      assert.ok(!isSignature(own, algorithm, message, wrong))
      assert.equal((await asked.verify(algorithm, digest, wrong)).result, false)
      assert.equal((await asked.verify(algorithm, Buffer.from(digest).reverse(), signature)).result, false)
    }
    await refused(asked.sign(algorithm, digest.subarray(1)))
  }
}

for (const keySize of [2048, 3072]) {
  const made = await keys.createRsaKey('rsa-' + keySize, { keySize })
  await checkCiphers(made)
  await checkSignatures(made, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])
  saw('RSA ' + keySize)
}
for (const [curve, algorithm] of Object.entries({ 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512', 'P-256K': 'ES256K' })) {
  await checkSignatures(await keys.createEcKey('ec-' + curve, { curve }), [algorithm])
  saw('EC ' + curve)
}

// What node has signed with a key that was imported, the service verifies.
for (const [curve, algorithm] of Object.entries({ 'P-256': 'ES256', 'P-521': 'ES512' })) {
  const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: curve })
  const jwk = privateKey.export({ format: 'jwk' })
  const key = { kty: 'EC', crv: curve, keyOps: ['sign', 'verify'] }
  for (const name of ['x', 'y', 'd']) key[name] = Buffer.from(jwk[name], 'base64url')
  const imported = await keys.importKey('imported-' + curve, key)
  const signature = crypto.sign(hashOf(algorithm), message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  assert.equal((await remote(imported.id).verify(algorithm, digestFor(algorithm), signature)).result, true)
  await checkSignatures(imported, [algorithm])
}
saw('imported keys')

const ec = await keys.getKey('ec-P-256')
await refused(remote(ec.id).sign('ES384', digestFor('ES384')))
await refused(remote(ec.id).encrypt({ algorithm: 'RSA-OAEP', plaintext: message }), 403, 'Forbidden')
const rsa = await keys.getKey('rsa-2048')
await refused(remote(rsa.id).encrypt({ algorithm: 'RSA-OAEP', plaintext: Buffer.alloc(256) }))
assert.equal((await remote(rsa.id).sign('RS256', digestFor('RS256'))).keyID, rsa.id)
saw('refusals')
console.log('DONE')
