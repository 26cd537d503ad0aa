# The addresses and routes of an interface, read from ip(8) as the words with which ip(8) puts them elsewhere, and back.
# Lifetimes are kept as deadlines, in seconds since the system started, because they go on running. The kernel's own
# (link-local addresses, subnet routes) are not moved: each link gets those by itself.

uptime() (
    read -r seconds _ </proc/uptime
    say "${seconds%.*}"
)
deadline() { # LIFETIME, as ip(8) prints it
    case $1 in forever) say forever ;; *) say $(($(uptime) + ${1%sec})) ;; esac
}
remaining() { # DEADLINE
    [ "$1" = forever ] && say forever && return
    set -- $(($1 - $(uptime)))
    say $(($1 > 0 ? $1 : 0))
}
reversed() { sed '1!G;h;$!d'; }

# Each address of DEV that can move: two deadlines and the words that `ip addr add` needs, in the order to add them.
# The kernel puts a new IPv4 address last and a new IPv6 one first.
addresses() { # DEV
    { ip -o -4 addr show dev "$1" && ip -o -6 addr show dev "$1" scope global | reversed; } 2>/dev/null |
        sed 's/\\/ /' | while read -r _ dev _ words; do
            # shellcheck disable=SC2086 # split on purpose
            address_line "$dev" $words
        done
}

address_line() { # DEV ADDRESS WORD...
    dev=$1 words=$2 label='' valid=forever preferred=forever
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
        peer | brd | scope | metric) words="$words $1 $2" && shift ;;
        noprefixroute | nodad | home | mngtmpaddr | autojoin) words="$words $1" ;;
        valid_lft) valid=$(deadline "$2") && shift ;;
        preferred_lft) preferred=$(deadline "$2") && shift ;;
        proto) shift ;;
        "$dev":*) label=" label $1" ;;
        esac
        shift
    done
    say "$valid $preferred $words$label"
}

# ADDRESS of the words for one, with the peer that tells it from others of the same address.
identity() { # ADDRESS WORD...
    case ${2-} in peer) say "$1 peer $3" ;; *) say "${1-}" ;; esac
}

add_address() { # DEV VALID_UNTIL PREFERRED_UNTIL ADDRESS WORD...
    dev=$1 valid=$(remaining "$2") preferred=$(remaining "$3")
    shift 3
    has_address "$dev" "$(identity "$@")" && return
    [ "$valid" = 0 ] && say "# $1 has run out meanwhile" && return
    words="$*"
    case $words in *" label $dev:"*) ;; *) words=${words% label *} ;; esac # a label begins with the name of its link
    [ "$valid $preferred" = 'forever forever' ] || words="$words valid_lft $valid preferred_lft $preferred"
    # shellcheck disable=SC2086 # split on purpose
    run ip addr add $words dev "$dev"
}

# Each route through DEV that can move: a family, a deadline, and the words that `ip route add` needs, those to
# gateways after those that make the gateways reachable. The kernel's own follow the addresses.
routes() { # DEV FAMILY...
    link=$1
    shift
    for family; do
        ip -o "$family" route show table all dev "$link" 2>/dev/null | while read -r words; do
            # shellcheck disable=SC2086 # split on purpose
            case " $words " in *' proto kernel '*) ;; *) route_line "$family" $words ;; esac
        done
    done | via_last
}

# shellcheck disable=SC2016 # sed's last line, not a variable
via_last() { sed -n '/ via /!p; / via /H; ${x; s/^\n//; /./p;}'; }

route_line() { # FAMILY WORD...
    family=$1 words='' until=forever
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        expires) until=$(deadline "$2") && shift ;;
        error | nhid) shift ;;
        linkdown | dead | offload | trap | rt_offload | rt_trap | offload_failed) ;;
        *) words="$words $1" ;;
        esac
        shift
    done
    say "$family $until$words"
}

has_route() { # DEV FAMILY WORDS
    [ "$(routes "$1" "$2" | while read -r _ _ words; do [ "$words" != "$3" ] || say yes; done)" ]
}

add_route() { # DEV FAMILY UNTIL WORD...
    dev=$1 family=$2 expires=$(remaining "$3")
    shift 3
    has_route "$dev" "$family" "$*" && return
    [ "$expires" = 0 ] && say "# the route to $1 has run out meanwhile" && return
    case "$family $*" in "-6 "*" src "*) await_addresses "$dev" ;; esac
    set -- "$@" dev "$dev"
    [ "$expires" = forever ] || set -- "$@" expires "$expires"
    run ip "$family" route add "$@"
}

# A route may prefer an IPv6 address only after duplicate address detection, which takes a second or two.
await_addresses() { # DEV
    [ -z "$dry_run" ] || return 0
    for _ in 1 2 3 4 5; do
        [ "$(ip -6 -o addr show dev "$1" tentative)" ] || return 0
        sleep 1
    done
}

remember_moves() {
    while read -r words; do [ -z "$words" ] || remember "address_back $ifname $words"; done <<EOF
$(addresses "$ifname")
EOF
    while read -r words; do [ -z "$words" ] || remember "route_back $ifname $words"; done <<EOF
$(routes "$ifname" -4 -6)
EOF
}

moves() { printf '%s' "$recorded$fresh" | sed -n "s/^$1_back $ifname //p"; }

# What is on IFNAME goes, last added first; then all that was ever there appears on the bridge.
move() {
    while read -r family _ words; do
        # shellcheck disable=SC2086 # split on purpose
        [ -z "$family" ] || ! has_route "$ifname" "$family" "$words" || must ip "$family" route del $words dev "$ifname"
    done <<EOF
$(moves route | reversed)
EOF
    # shellcheck disable=SC2086 # split on purpose
    while read -r _ _ words; do
        address=$(identity $words)
        [ -z "$address" ] || ! has_address "$ifname" "$address" || must ip addr del $address dev "$ifname"
    done <<EOF
$(moves address | reversed)
EOF
    # shellcheck disable=SC2086 # split on purpose
    while read -r words; do [ -z "$words" ] || add_address "$bridge" $words || roll_back; done <<EOF
$(moves address)
EOF
    # shellcheck disable=SC2086 # split on purpose
    while read -r words; do [ -z "$words" ] || add_route "$bridge" $words || roll_back; done <<EOF
$(moves route)
EOF
}
