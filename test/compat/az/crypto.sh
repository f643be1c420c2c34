#!/usr/bin/env bash
# What az makes with a key okv undoes, and the reverse; for programs both print the
# same. AZ and OKV are the programs; okv dev gives the rest.
set -euo pipefail

AZURE_CONFIG_DIR=$(mktemp -d)
export AZURE_CONFIG_DIR AZURE_CORE_COLLECT_TELEMETRY=false AZURE_CORE_NO_COLOR=1 AZURE_CORE_ONLY_SHOW_ERRORS=true
trap 'rm -rf "$AZURE_CONFIG_DIR"' EXIT

# member NAME prints a member of the JSON object in standard input.
member() {
	"$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# same EXPECTED GOT: both are the same JSON. A program that fails prints nothing.
same() {
	if [ -z "$1" ] || [ "$1" != "$2" ]; then
		printf 'az prints  %s\nokv prints %s\n' "$1" "$2"
		exit 1
	fi
}

az() { "$AZ" keyvault key "$1" --vault-name dev -o json "${@:2}"; }
okv() { "$OKV" key "$1" --vault-name dev -o json "${@:2}"; }

"$AZ" login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none

okv create --name k >/dev/null
wrapped=$(az encrypt -n k -a RSA-OAEP-256 --value aHVudGVyMg==)
same "$(az decrypt -n k -a RSA-OAEP-256 --value "$(member result <<<"$wrapped")")" \
	"$(okv decrypt -n k -a RSA-OAEP-256 --value "$(member result <<<"$wrapped")")"
ours=$(okv encrypt -n k -a RSA-OAEP-256 --value hunter2 --data-type plaintext)
same "$(az decrypt -n k -a RSA-OAEP-256 --value "$(member result <<<"$ours")" --data-type plaintext)" \
	"$(okv decrypt -n k -a RSA-OAEP-256 --value "$(member result <<<"$ours")" --data-type plaintext)"
# The ciphertexts differ, and nothing else.
same "$(grep -v '"result"' <<<"$wrapped")" "$(grep -v '"result"' <<<"$ours")"
echo "ok encrypt"

digest=34YmQbdQS3/RI3KWheTyz7XVPXUNyB4CcmpgW8CS9SY=
signed=$(az sign -n k -a RS256 --digest "$digest")
same "$signed" "$(okv sign -n k -a RS256 --digest "$digest")"
version=$(member keyId <<<"$signed")
same "$(az verify -n k -a RS256 --digest "$digest" --signature "$(member signature <<<"$signed")")" \
	"$(okv verify -n k -v "${version##*/}" -a RS256 --digest "$digest" --signature "$(member signature <<<"$signed")")"
echo "ok sign"

"$AZ" keyvault key download --vault-name dev -n k -f "$AZURE_CONFIG_DIR/az.pem"
"$OKV" key download --vault-name dev -n k -f "$AZURE_CONFIG_DIR/okv.pem"
cmp "$AZURE_CONFIG_DIR/az.pem" "$AZURE_CONFIG_DIR/okv.pem"
"$AZ" keyvault key import --vault-name dev -n az --pem-file "$KEYS/enc-aes256.pem" --pem-password hunter2 -o none
"$OKV" key import --vault-name dev -n okv --pem-file "$KEYS/enc-aes256.pem" --pem-password hunter2 >/dev/null
same "$(okv show -n az | grep '"[xy]"')" "$(okv show -n okv | grep '"[xy]"')"
echo "ok files"
echo DONE
