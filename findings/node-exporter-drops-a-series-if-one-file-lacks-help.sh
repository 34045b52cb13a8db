#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  prometheus-node-exporter 1.9.0-1+b4 of Debian (trixie). 1.5.0 of Debian 12 and 1.11.1 do the
#           same; prometheus/node_exporter#3052 has it.
# Expected: two text files may have the same metric with different labels; both are exported. HELP is
#           optional. If a file cannot be exported, node_textfile_scrape_error is 1, and alerts watch it.
# Seen:     if one file has HELP for the metric and the other has not, only one of them is exported.
#           node_textfile_scrape_error stays 0, and the answer is 200. Only the exporter's log has it.
# Hurts:    who has two tools, or two versions of one, write the same metric: of the series that is
#           missing nobody is told, and an alert on its value never fires.
set -euo pipefail
place=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
deb=prometheus-node-exporter_1.9.0-1+b4_amd64.deb
curl -fsS --retry 2 -o "$place/$deb" "${mirror%/}/pool/main/p/prometheus-node-exporter/$deb"
echo "9db00cad0c9e160a4e9c13cbdb2833d58becb1f4cd60eeb0b5e12477ba6a42bd  $place/$deb" | sha256sum --quiet -c -
dpkg-deb -W --showformat='${Package} ${Version}\n' "$place/$deb"
dpkg-deb -x "$place/$deb" "$place"

exported() { # folder of text files: prints the series of the metric, and the exporter's verdict
    : > "$place/log"
    "$place/usr/bin/prometheus-node-exporter" --collector.disable-defaults --collector.textfile \
        --collector.textfile.directory="$1" --web.listen-address=127.0.0.1:0 2> "$place/log" &
    pid=$!
    local address=
    while [ -z "$address" ] && kill -0 "$pid"; do
        sleep 0.1
        address=$(sed -n 's/.*Listening on.* address=\([0-9.:]*\).*/\1/p' "$place/log")
    done
    curl -fsS "http://$address/metrics" | grep -E '^(live_patches|node_textfile_scrape_error)' | sort | xargs
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}

mkdir "$place/both" "$place/one"
write() { # file, host, further line: writes one valid text file
    printf '%s# TYPE live_patches gauge\nlive_patches{tool="%s"} 1\n' "${3-}" "$2" > "$place/$1"
}
help=$'# HELP live_patches Live patches of this host.\n'
write both/first.prom first "$help"
write both/second.prom second "$help"
write one/first.prom first "$help"
write one/second.prom second
all=$(exported "$place/both")
seen=$(exported "$place/one")
echo "HELP in both files: $all"
echo "expected:           the same if one has none, or node_textfile_scrape_error 1"
echo "seen:               $seen"
[ "$all" = "live_patches{tool=first} 1 live_patches{tool=second} 1 node_textfile_scrape_error 0" ] &&
    [ "$(grep -o 'tool=' <<< "$seen" | wc -l)" = 1 ] && [[ $seen == *"scrape_error 0" ]] || { echo "the behaviour has changed"; exit 1; }
