# What `down` will have to do, written down before anything is changed: a file for each TAP, in a directory for each
# network namespace. Its first line holds the settings, each other line one action, in the order in which they undo.

find_record() {
    namespace=$(readlink /proc/self/ns/net | tr -cd 0-9) # several network namespaces may share one /run
    home=/run/glasstack
    if [ ! -d "$home/$namespace" ] && [ ! -w "$home" ] && { [ -e "$home" ] || [ ! -w /run ]; }; then
        home=${XDG_RUNTIME_DIR:-/run}/glasstack
    fi
    record=$home/$namespace/$tap
    settings='' recorded='' fresh='' stuck=''
    [ ! -r "$record" ] || {
        read -r settings
        recorded=$(cat)$newline
    } <"$record"
    settings_before=$settings
}

save() { # LINES WHAT_IT_MEANS_IF_THAT_FAILS
    [ -z "$dry_run" ] || return 0
    if [ "$1" ]; then
        {
            mkdir -p "$home/$namespace" &&
                printf '%s\n%s' "$settings" "$1" >"$record.new" && mv "$record.new" "$record"
        } 2>/dev/null || die "cannot write $record: $2"
    else
        rm -f "$record"
        rmdir "$home/$namespace" "$home" 2>/dev/null || :
    fi
}

remember() {
    case "$newline$recorded$fresh" in *"$newline$*$newline"*) ;; *) fresh="$fresh$*$newline" ;; esac
}

# What the other TAPs' records say that SETTING of DEV was.
recorded_by_others() ( # SETTING DEV
    set +f
    for other in "$home/$namespace"/*; do
        [ "$other" = "$record" ] || [ ! -r "$other" ] || cat "$other"
    done | while read -r name dev value; do
        [ "$name $dev" != "$1 $2" ] || say "$value"
    done
)

# Do the actions that are not done already. Those that fail are in `stuck`, and so is all that comes after a link that
# does not go away: it holds what they would put back.
undo() { # LINES
    stuck='' blocked=''
    while read -r action; do
        [ "$action" ] || continue
        # shellcheck disable=SC2086 # split on purpose
        [ -z "$blocked" ] && undo_one $action && continue
        stuck="$stuck$action$newline"
        [ "$blocked" ] || complain "$failure"
        case $action in link_gone*) blocked=yes ;; esac
    done <<EOF
$1
EOF
}

undo_one() { # ACTION DEV ...
    [ "$1" = table_gone ] || has_link "$2" || return 0 # gone, and its addresses with it
    case $1 in
    table_gone) ! has_table "$2" || run nft delete table inet "$2" ;;
    link_gone) run ip link del dev "$2" ;;
    link_down) ! is_up "$2" || run ip link set dev "$2" down ;;
    forwarding) [ "$(recorded_by_others forwarding "$2")" ] || set_forwarding "$2" "$3" ;;
    address_back) shift && add_address "$@" ;;
    route_back) shift && add_route "$@" ;;
    esac
}
