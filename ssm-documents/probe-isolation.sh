#include lib/report.sh
# Tries what still gets out of this instance. Everything runs side by side and ends within seconds. Nothing is installed, no file
# is written; what a tool prints is never passed on: numbers and addresses only. Given: CASE_ID, TCP_CANARIES, DNS_CANARIES,
# ICMP_CANARIES.

# Where the VPC's resolver and the metadata service are (EC2 User Guide); a machine that stands for another one has its own.
RESOLVER=${FORENSICS_RESOLVER:-169.254.169.253/53}
METADATA=${FORENSICS_METADATA:-169.254.169.254/80}
SYSTEM_ROOT=${FORENSICS_SYSTEM_ROOT:-}
PATIENCE=3         # seconds for an answer
CONNECTIONS_TOLD=40

# flow KIND TARGET open|blocked|not-measured HOW [CODE]
flow() {
  printf '{"kind":"%s","target":%s,"result":"%s","how":"%s"%s}\n' "$1" "$(json_string "$2")" "$3" "$4" "${5:+,\"code\":$5}"
}

# in_time FUNCTION ARGUMENT...: in a shell of its own, whose words of complaint come with its output; 124 when the time was over.
in_time() {
  timeout "$PATIENCE" "$BASH" -c "$(declare -f "$1"); $1 \"\${@:2}\"" probe "$@" </dev/null 2>&1
}

# What a connection that failed says of the way: an answer, even a refusal, means that packets came back. The kernel of this
# instance may itself have refused (a firewall of its own), which cannot be told apart from here.
failed_connection() {
  case $1,$2 in
    *refused*,*) printf 'open refused' ;;
    *unreachable*,* | *'No route'*,* | *'not permitted'*,*) printf 'blocked no-way-out' ;;
    *,124) printf 'blocked no-answer' ;;
    *'timed out'*,*) printf 'blocked no-answer' ;;
    *) printf 'not-measured not-possible' ;;
  esac
}

# bash opens /dev/tcp by itself: neither curl nor nc is needed.
connect() { exec 3<>"/dev/tcp/$1"; }

probe_tcp() {
  local canary=$1 address=${1%:*} said code=0 seen
  address=${address#[}
  said=$(in_time connect "${address%]}/${canary##*:}") || code=$?
  seen='open connected'
  if ((code != 0)); then seen=$(failed_connection "$said" "$code"); fi
  flow tcp "$canary" "${seen% *}" "${seen#* }"
}

# ask_resolver RESOLVER ID QUERY: the answer as hexadecimal digits. The query is put together by dd: bash sends a line at a
# time, and a length of ten is a line feed. It is sent twice, since a datagram may get lost on a good way too.
ask_resolver() {
  exec 3<>"/dev/udp/$1" || return 1
  for _ in 1 2; do
    printf '%b' "$2" | dd obs=4096 2>/dev/null >&3 || return 1
    timeout 1 dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n'
    if ((PIPESTATUS[0] == 0)); then return 0; fi
  done
  return 124
}

# A question for the IPv4 address of a name, as the resolver hears it (RFC 1035, section 4).
dns_query() {
  local id=$1 label labels query
  query="\\x${id:0:2}\\x${id:2:2}\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00"
  IFS=. read -ra labels <<<"$2"
  for label in "${labels[@]}"; do
    printf -v query '%s\\x%02x%s' "$query" "${#label}" "$label"
  done
  printf '%s\\x00\\x00\\x01\\x00\\x01' "$query"
}

probe_dns() {
  local name=$1 id said code=0 seen tool
  for tool in dd od tr; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      flow dns "$name" not-measured no-tool
      return
    fi
  done
  printf -v id '%04x' "$RANDOM"
  said=$(in_time ask_resolver "$RESOLVER" "$(dns_query "$id" "$name")") || code=$?
  if [[ $said =~ ^${id}[89a-f][0-9a-f].([0-9a-f])....([0-9a-f]{4}) ]]; then
    code=$((16#${BASH_REMATCH[1]}))
    if ((code == 0 && 16#${BASH_REMATCH[2]} > 0)); then
      flow dns "$name" open answered
    else
      # DNS Firewall answers like this too, and a name that does not exist.
      flow dns "$name" blocked no-address "$code"
    fi
    return
  fi
  # Nothing listens on the resolver's port: then no name gets out by it.
  seen=$(failed_connection "$said" "$code")
  if [[ $seen == 'open refused' ]]; then seen='blocked no-answer'; fi
  flow dns "$name" "${seen% *}" "${seen#* }"
}

probe_icmp() {
  local address=$1 code=0 family=()
  if [[ $address == *:* ]]; then family=(-6); fi
  if ! command -v ping >/dev/null 2>&1; then
    flow icmp "$address" not-measured no-tool
    return
  fi
  timeout "$PATIENCE" ping -n -c 1 -W 2 ${family[@]+"${family[@]}"} "$address" </dev/null >/dev/null 2>&1 || code=$?
  case $code in
    0) flow icmp "$address" open answered ;;
    1 | 124) flow icmp "$address" blocked no-answer ;;
    *) flow icmp "$address" not-measured not-possible ;;
  esac
}

# Prints two codes of HTTP: that of asking for a token (IMDSv2), and that of a harmless path. The token stays in this shell.
ask_metadata() {
  local version status line length=0 token=''
  exec 3<>"/dev/tcp/$1" || return 1
  printf 'PUT /latest/api/token HTTP/1.1\r\nHost: %s\r\nX-aws-ec2-metadata-token-ttl-seconds: 30\r\nContent-Length: 0\r\n\r\n' "${1%/*}" >&3
  read -r version status line <&3 || return 124
  if [[ $version == HTTP/1.? && $status =~ ^[1-5][0-9][0-9]$ ]]; then printf '%s' "$status"; else return 2; fi
  [[ $status == 200 ]] || return 0
  while IFS= read -r line <&3 && [[ -n ${line%$'\r'} ]]; do
    if [[ $line =~ ^[Cc]ontent-[Ll]ength:\ *([0-9]{1,4}) ]]; then length=${BASH_REMATCH[1]}; fi
  done
  read -r -N "$length" token <&3
  exec 3<>"/dev/tcp/$1" || return 1
  printf 'GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: %s\r\nX-aws-ec2-metadata-token: %s\r\n\r\n' "${1%/*}" "${token//[^A-Za-z0-9+\/=_-]/}" >&3
  read -r version status line <&3 || return 124
  if [[ $status =~ ^[1-5][0-9][0-9]$ ]]; then printf ' %s' "$status"; fi
}

probe_metadata() {
  local said code=0 seen
  said=$(in_time ask_metadata "$METADATA") || code=$?
  if [[ $said =~ ^200\ ([1-5][0-9][0-9])$ ]]; then
    flow metadata "${METADATA%/*}" open answered "${BASH_REMATCH[1]}"
  elif [[ $said =~ ^([1-5][0-9][0-9]) ]]; then
    # 403: the service is switched off, or forbids the call (EC2 User Guide, "Retrieve instance metadata").
    flow metadata "${METADATA%/*}" blocked no-token "${BASH_REMATCH[1]}"
  else
    seen=$(failed_connection "$said" "$code")
    if [[ $seen == 'open refused' ]]; then seen='blocked no-answer'; fi
    flow metadata "${METADATA%/*}" "${seen% *}" "${seen#* }"
  fi
}

# address_of HEX: IPv4 or IPv6 as /proc/net/tcp has it, in words of four bytes whose order is turned (x86 and arm64).
address_of() {
  local hex=$1 text='' word
  if ((${#hex} == 8)); then
    printf '%d.%d.%d.%d' "0x${hex:6:2}" "0x${hex:4:2}" "0x${hex:2:2}" "0x${hex:0:2}"
    return
  fi
  for word in "${hex:0:8}" "${hex:8:8}" "${hex:16:8}" "${hex:24:8}"; do
    text+=${text:+:}${word:6:2}${word:4:2}:${word:2:2}${word:0:2}
  done
  printf '[%s]' "${text,,}"
}

is_loopback() {
  [[ $1 == ??????7F || $1 == 00000000000000000000000001000000 || $1 == 0000000000000000FFFF0000??????7F ]]
}

# What the kernel holds for established, without loopback; of this network namespace, so not that of containers.
established() {
  local file readable=no count=0 told='' place remote local_end state connection
  local form='^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$'
  for file in tcp tcp6; do
    [[ -r $SYSTEM_ROOT/proc/net/$file ]] || continue
    readable=yes
    while read -r place local_end remote state _; do
      [[ $place == *: && $state == 01 && $remote =~ $form ]] || continue
      is_loopback "${BASH_REMATCH[1]}" && continue
      ((++count <= CONNECTIONS_TOLD)) || continue
      connection="\"remote\":\"$(address_of "${BASH_REMATCH[1]}"):$((16#${BASH_REMATCH[2]}))\""
      [[ $local_end =~ $form ]] || continue
      connection="\"local\":\"$(address_of "${BASH_REMATCH[1]}"):$((16#${BASH_REMATCH[2]}))\",$connection"
      told+="${told:+,}{$connection}"
    done <"$SYSTEM_ROOT/proc/net/$file"
  done
  if [[ $readable == yes ]]; then printf '{"count":%d,"connections":[%s]}' "$count" "$told"; else printf null; fi
}

# each FUNCTION LIST: one process for each of the list, all at once.
each() {
  local canary canaries
  [[ $2 != none ]] || return 0
  IFS=, read -ra canaries <<<"$2"
  for canary in "${canaries[@]}"; do "$1" "$canary" & done
}

require_programs timeout
ESTABLISHED=$(established)
FLOWS=$(
  each probe_tcp "$TCP_CANARIES"
  each probe_icmp "$ICMP_CANARIES"
  probe_metadata &
  each probe_dns "$DNS_CANARIES"
  wait
)
printf 'FORENSICS-RESULT {"form":1,"case":%s,"flows":[%s],"established":%s}\n' \
  "$(json_string "$CASE_ID")" "${FLOWS//$'\n'/,}" "$ESTABLISHED"
