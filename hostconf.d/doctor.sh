# What works on this host for each of the node's links, and the command that mends what does not. Changes nothing:
# what has to be tried is tried in a namespace that ends with the trial.

row() { printf '%-11s%s\n' "$1" "$2"; }
mend() { printf '%-11s%s\n' '' "mend: $1"; }

doctor() {
    works=1
    python=${PYTHON:-python3}
    [ ! -x "$here/.venv/bin/python" ] || python=$here/.venv/bin/python
    doctor_python
    doctor_program ip iproute2 -V
    doctor_program unshare util-linux -V
    doctor_program nft nftables -v
    row sim "works wherever Python does"
    doctor_lab
    doctor_tap
    doctor_packet
    doctor_host
    return $works
}

doctor_python() {
    version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
    case $version in
    3.[0-9].* | 3.10.* | 2.* | '') row python "${version:-none}, and the node needs 3.11 or newer" &&
        mend 'sudo apt-get install python3, or if a newer one has another name: make PYTHON=python3.12' ;;
    *) row python "$version ($python)" ;;
    esac
}

doctor_program() { # PROGRAM PACKAGE OPTION
    if command -v "$1" >/dev/null; then
        row "$1" "$("$1" "$3" 2>&1 | head -n 1)"
    else
        row "$1" missing
        mend "sudo apt-get install $2"
    fi
}

# On some distributions unshare succeeds and the capabilities are missing, so a link is made in there.
doctor_lab() {
    answer=$(unshare --map-current-user --keep-caps --user --net --mount --pid --fork \
        ip link add glass0 type veth peer name glass1 2>&1) && works=0 && row lab works && return
    row lab "does not work: ${answer%%"$newline"*}"
    if [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ]; then
        mend 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
    elif [ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null)" = 0 ]; then
        mend 'sudo sysctl -w kernel.unprivileged_userns_clone=1'
    elif [ "$(cat /proc/sys/user/max_user_namespaces)" = 0 ]; then
        mend 'sudo sysctl -w user.max_user_namespaces=10000'
    elif ! command -v unshare >/dev/null || ! unshare --help | grep -q keep-caps; then
        mend 'sudo apt-get install util-linux (2.38 or newer)'
    else
        mend 'in a container, start it with: --security-opt seccomp=unconfined --security-opt apparmor=unconfined'
    fi
}

doctor_tap() {
    mine=$(taps | sed -n "s/^\([^ ]*\) of $(id -un 2>/dev/null)\$/\1/p" | head -n 1)
    if [ ! -c /dev/net/tun ]; then
        row tap 'does not work: /dev/net/tun is missing'
        mend 'sudo modprobe tun'
    elif ! (: <>/dev/net/tun) 2>/dev/null; then
        row tap 'does not work: /dev/net/tun cannot be opened'
        mend 'sudo chmod 0666 /dev/net/tun'
    elif [ -z "$mine" ] && ! has_capability 12; then
        row tap "does not work: none belongs to $(id -un 2>/dev/null)"
        mend "sudo $0 host up"
    else
        row tap "works${mine:+, --link tap:$mine}"
        works=0
    fi
}

doctor_packet() {
    if has_capability 13; then
        row packet works
        works=0
    else
        row packet 'does not work: packet sockets need CAP_NET_RAW'
        mend "run the node as root: sudo $python node.py --link packet:eth1 ..."
    fi
}

# A line for each TAP: its name and who may open it.
taps() {
    ip -o -d link show type tun 2>/dev/null | while read -r _ name words; do
        case $words in *' tun type tap '*) ;; *) continue ;; esac
        name=${name%%[:@]*}
        owner=${words##* user }
        case $words in *' user '*) owner=${owner%% *} ;; *) owner='nobody in particular' ;; esac
        say "$name of $owner"
    done
}

doctor_host() {
    case $(cat /proc/sys/net/ipv4/ip_forward) in
    0) row forwarding 'off, and nat turns it on for its two interfaces alone' ;;
    *) row forwarding 'on: this host is a router' ;;
    esac
    here_are=$(taps)
    row taps "${here_are:-none}" | sed '2,$s/^/           /'
}
