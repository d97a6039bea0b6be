#!/usr/bin/env bash
# Runs one scenario of client/testdata/scenario.json with curl, jq and openssl: curl.sh NAME.
set -eu -o pipefail
network=testnet
vars=$(jq -n '$ENV | {RUN, SECRET_KEY}') # the variables that steps name, and what steps saved

# call METHOD PATH [BODY] [CURL OPTION]…: prints the answer. It repeats what may pass, and waits as the server asks.
call() {
  local method=$1 path=$2 body=${3-} try; shift $(($# < 3 ? $# : 3))
  for try in 1 2 3 4 5; do
    if ! curl -sS -X "$method" -D headers -o answer -w '%{http_code}' "$SERVER$path" "${auth[@]}" ${body:+-H 'Content-Type: application/json' -d "$body"} "$@" > status 2>/dev/null; then
      sleep "$try" # no answer came
    elif grep -qE '^(429|503)' status || grep -q idempotency.in_progress answer; then
      sleep "$(tr -d '\r' < headers | sed -n 's/^[Rr]etry-[Aa]fter: //p')"
    else break; fi
  done
  cat answer
  grep -q '^2' status
}

# refused prints what a refusal is seen as.
refused() { jq -c '.error | {error: .code, details, request_id}' answer; }

# of NAME [of what]: a member of the step, or of another JSON.
of() { jq -r ".$1 // empty" <<< "${2-$step}"; }

# authorized ACTION: the headers of a register or an update.
authorized() {
  local rehearse test= token; rehearse=$(of rehearse); [ -z "$rehearse" ] || test=TEST_
  local key=${test}API_KEY secret=${test}SECRET_KEY site=${test}SITE_KEY
  auth=()
  if [ "$BY" = key ]; then auth=(-H "Authorization: Bearer ${!key}"); return; fi
  token=$(call POST /v1/sessions "$(jq -n --arg s "${!secret}" --arg a "$1" --arg n "$network" --argjson step "$step" \
    '{secret_key: $s, action_type: $a, allowed_network: $n} + ($step | {external_user_ref, rehearse} | with_entries(select(.value)))')" -H "Origin: $ORIGIN") || return
  auth=(-H "Authorization: Bearer $(of token "$token")" -H "X-Site-Key: ${!site}")
}

# run BASE INIT BODY: a whole registration or update. The parts that the server has are not sent again.
run() {
  local base=$1 job file price transaction slot; file=$(of file)
  job=$(of state)
  if [ -z "$job" ]; then
    slot=$(call POST "$base/$2" "$3" -H "Idempotency-Key: scenario-$(date +%s%N)") || return
    job=$(of job_id "$slot")
  else slot='{}'; fi
  local body; body=$(jq -nc --arg j "$job" --arg n "$network" '{job_id: $j, network: $n}')
  if [ -n "$file" ] && [ "$(stat -c %s "$FILES/$file")" -ge 8388608 ]; then
    parts "$base" "$job" "$FILES/$file" || return
    if [ "$(of abort)" = true ]; then jq -nc --arg s "$job" '{aborted: true, state: $s}'; return; fi
    call POST "$base/parts/complete" "$body" > /dev/null || return
  elif [ -n "$file" ]; then
    curl -sS --retry 3 -o answer --fail-with-body -T "$FILES/$file" "$(of upload_url "$slot")" || return
  fi
  price=$(call POST "$base/prepare" "$body") || return
  if [ "$(of refuse_price)" = true ]; then jq -c '{error: "price_refused", details: {total_price_credits}}' <<< "$price"; return; fi
  if call POST "$base/confirm" "$body" > confirmed; then transaction=$(jq -r .transaction_id confirmed)
  elif grep -q transaction.already_confirmed answer; then transaction=$(jq -r .error.details.transaction_id answer)
  else return 1; fi
  local open=("${auth[@]}"); auth=()
  until call GET "/v1/transactions/$transaction" > status.json && [ "$(jq .is_complete status.json)" = true ]; do sleep 0.2; done
  auth=("${open[@]}")
  jq -c '.result | if .success then . else {error: .error_code, details: .error_details} end' status.json
}

# parts BASE JOB FILE: sends the parts that the server does not have; only the first one when the step aborts.
parts() {
  local plan n sent=0 size; size=$(stat -c %s "$3")
  plan=$(call POST "$1/parts" "{\"job_id\": \"$2\", \"size_bytes\": $size}") || return
  for n in $(jq -r '[range(1; .part_count + 1)] - [.stored[].number] | .[]' <<< "$plan"); do
    local url; url=$(call POST "$1/parts" "{\"job_id\": \"$2\", \"numbers\": [$n]}" | jq -r '.urls[0].url') || return
    dd if="$3" bs="$(jq .part_size_bytes <<< "$plan")" skip=$((n - 1)) count=1 status=none |
      curl -sS --fail-with-body -o answer -X PUT -H 'Content-Type: application/octet-stream' --data-binary @- "$url" || return
    sent=$((sent + 1))
    if [ "$(of abort)" = true ] && [ "$sent" = 1 ]; then return; fi
  done
}

creators=$(jq -c .creators "$SCENARIO")
described() { jq -nc --argjson s "$step" --argjson c "$creators" --arg n "$network" --arg by "$BY" --arg f "$(of file)" \
  '{title: $s.title, creators: $c, network: $n, external_user_ref: $s.external_user_ref, filename: $f, rehearse: (if $by == "key" then $s.rehearse else null end)} | with_entries(select(.value | . and . != ""))'; }

do_register() {
  # The session of a job continues it.
  if [ -n "$(of state)" ]; then . ./session; else authorized register || return; declare -p auth > session; fi
  run /v1/works init "$(described)"
}
do_update() {
  local base=/v1/works/$(of ats_id)/versions
  [ "$BY" = key ] || base=/v1/access/$(of access_code)/versions
  authorized update_version && run "$base" "$([ -n "$(of file)" ] && echo init-upload || echo init)" "$(described)"
}
do_mint() {
  local origin; origin=$(of origin); auth=()
  call POST /v1/sessions "{\"secret_key\": \"$(of secret_key)\", \"action_type\": \"register\", \"allowed_network\": \"$network\"}" -H "Origin: ${origin:-$ORIGIN}"
}
by_key() { auth=(-H "Authorization: Bearer $API_KEY"); call GET "$1"; }
do_list() { by_key "/v1/works?external_user_ref=$(jq -rn --arg r "$(of external_user_ref)" '$r | @uri')" | jq -c '{titles: [.works[].title]}'; }
do_work() { by_key "/v1/works/$(of ats_id)?network=$network"; }
do_versions() { by_key "/v1/works/$(of ats_id)/versions" | jq -c '{versions: [.versions[].version]}'; }
do_creators() { by_key "/v1/works/$(of ats_id)/creators" | jq -c '{names: [.creators[].full_name]}'; }
do_evidence() { by_key "/v1/works/$(of ats_id)/evidence" > "$FILES/$(of save_as)" && jq -c . "$FILES/$(of save_as)"; }
do_certificate() {
  until by_key "/v1/works/$(of work_id)/download/certificate" > link; do grep -q certificate_unavailable answer || return; sleep 0.5; done
  curl -sS "$(jq -r .url link)" | head -c 5 | jq -Rc '{begins: .}'
}

cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
auth=()
jq -c --arg name "$1" '.scenarios[] | select(.name == $name).steps[]' "$SCENARIO" | while read -r step; do
  # Replaces $names.
  step=$(jq -c --argjson v "$vars" 'walk(if type == "string" then reduce ($v | to_entries[] | select(.value | type != "object")) as $e (.; gsub("\\$" + $e.key + "\\b"; $e.value | tostring)) else . end)' <<< "$step")
  saw=$("do_$(of do)") || saw=$(refused)
  printf '%s\n' "$saw" | jq -c .
  for name in $(jq -r '.save // [] | .[]' <<< "$step"); do vars=$(jq -c --arg n "$name" --argjson s "$saw" '.[$n] = $s[$n]' <<< "$vars"); done
done
