#!/usr/bin/env bash
# What people do with az and a key vault. AZ is the program; okv dev gives the rest.
set -euo pipefail

AZURE_CONFIG_DIR=$(mktemp -d)
export AZURE_CONFIG_DIR AZURE_CORE_COLLECT_TELEMETRY=false AZURE_CORE_NO_COLOR=1 AZURE_CORE_ONLY_SHOW_ERRORS=true
trap 'rm -rf "$AZURE_CONFIG_DIR"' EXIT

# want EXPECTED AZ-ARGUMENTS...: the command prints exactly that.
want() {
	local expected=$1 got
	shift
	got=$("$AZ" "$@" -o tsv)
	if [ "$got" != "$expected" ]; then
		printf 'az %s\nprints  %s\ninstead %s\n' "$*" "$got" "$expected"
		exit 1
	fi
}

as_owner() { "$AZ" login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none; }
as_app() { "$AZ" login --service-principal -u "$app" -p "$secret" --tenant "$AZURE_TENANT_ID" --allow-no-subscriptions -o none; }

as_owner
want "$AZURE_SUBSCRIPTION_ID" account show --query id
"$AZ" group create -n az -l westeurope -o none
want https://az-orders.vault.azure.net/ keyvault create -n az-orders -g az -l westeurope --enable-rbac-authorization false --query properties.vaultUri
echo "ok vault"

want hunter2 keyvault secret set --vault-name az-orders -n pw --value hunter2 --query value
want hunter2 keyvault secret show --vault-name az-orders -n pw --query value
want pw keyvault secret list --vault-name az-orders --query '[].name'
"$AZ" keyvault secret set-attributes --vault-name az-orders -n pw --content-type text/plain -o none
want text/plain keyvault secret show --vault-name az-orders -n pw --query contentType
"$AZ" keyvault secret backup --vault-name az-orders -n pw -f "$AZURE_CONFIG_DIR/pw.backup" -o none
"$AZ" keyvault secret delete --vault-name az-orders -n pw -o none
want pw keyvault secret list-deleted --vault-name az-orders --query '[].name'
"$AZ" keyvault secret recover --vault-name az-orders -n pw -o none
want hunter2 keyvault secret show --vault-name az-orders -n pw --query value
echo "ok secrets"

want RSA keyvault key create --vault-name az-orders -n k --kty RSA --query key.kty
want P-384 keyvault key create --vault-name az-orders -n e --kty EC --curve P-384 --query key.crv
"$AZ" keyvault key download --vault-name az-orders -n k -f "$AZURE_CONFIG_DIR/k.pem"
grep -q 'BEGIN PUBLIC KEY' "$AZURE_CONFIG_DIR/k.pem"
policy='{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P18M"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P2Y"}}'
want Notify keyvault key rotation-policy show --vault-name az-orders -n k --query 'lifetimeActions[].action'
want P2Y keyvault key rotation-policy update --vault-name az-orders -n k --value "$policy" --query expiresIn
first=$("$AZ" keyvault key show --vault-name az-orders -n k --query key.kid -o tsv)
second=$("$AZ" keyvault key rotate --vault-name az-orders -n k --query key.kid -o tsv)
[ "$first" != "$second" ]
want "$second" keyvault key show --vault-name az-orders -n k --query key.kid
echo "ok keys"

app=$("$AZ" ad app create --display-name az-billing --query appId -o tsv)
"$AZ" ad sp create --id "$app" -o none
secret=$("$AZ" ad app credential reset --id "$app" --query password -o tsv)
"$AZ" keyvault set-policy -n az-orders --spn "$app" --secret-permissions get -o none
as_app
want hunter2 keyvault secret show --vault-name az-orders -n pw --query value
if "$AZ" keyvault secret set --vault-name az-orders -n pw --value other -o none 2>"$AZURE_CONFIG_DIR/refused"; then
	echo "an application that may only read has set a secret"
	exit 1
fi
grep -q 'does not have secrets set permission' "$AZURE_CONFIG_DIR/refused"
echo "ok application"

# A vault that goes by role assignments.
as_owner
vault=$("$AZ" keyvault create -n az-roles -g az -l westeurope --query id -o tsv)
"$AZ" role assignment create --assignee "$AZURE_CLIENT_ID" --role "Key Vault Secrets Officer" --scope "$vault" -o none
"$AZ" keyvault secret set --vault-name az-roles -n pw --value hunter3 -o none
principal=$("$AZ" ad sp show --id "$app" --query id -o tsv)
want "Key Vault Secrets User" role definition list --name "Key Vault Secrets User" --query '[].roleName'
want "$principal" role assignment create --assignee "$app" --role "Key Vault Secrets User" --scope "$vault" --query principalId
# Once more is the same.
want "$vault" role assignment create --assignee "$app" --role "Key Vault Secrets User" --scope "$vault" --query scope
want "$(printf '%s\tKey Vault Secrets User\tServicePrincipal' "$app")" role assignment list --assignee "$app" --scope "$vault" --query '[].[principalName,roleDefinitionName,principalType]'
want "Key Vault Secrets User" role assignment list --assignee "$app" --all --query '[].roleDefinitionName'
as_app
want hunter3 keyvault secret show --vault-name az-roles -n pw --query value
as_owner
"$AZ" role assignment delete --assignee "$app" --role "Key Vault Secrets User" --scope "$vault"
want "" role assignment list --assignee "$app" --all --query '[].id'
as_app
if "$AZ" keyvault secret show --vault-name az-roles -n pw -o none 2>"$AZURE_CONFIG_DIR/refused"; then
	echo "an application without a role has read a secret"
	exit 1
fi
grep -q 'ForbiddenByRbac' "$AZURE_CONFIG_DIR/refused"
echo "ok roles"

as_owner
"$AZ" keyvault delete -n az-orders
want az-orders keyvault list-deleted --query '[].name'
"$AZ" keyvault recover -n az-orders -o none
want hunter2 keyvault secret show --vault-name az-orders -n pw --query value
"$AZ" keyvault delete -n az-orders
"$AZ" keyvault purge -n az-orders
"$AZ" keyvault delete -n az-roles
"$AZ" keyvault purge -n az-roles
"$AZ" group delete -n az --yes
echo DONE
