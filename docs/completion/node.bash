# Completion for bash, made by `make docs`: source docs/completion/node.bash
# shellcheck shell=bash disable=SC2034,SC2207

_glasstack_offer() {    # the words that begin with $1
    local word
    local start=$1
    shift
    for word; do
        [[ $word == "$start"* ]] && COMPREPLY+=("$word")
    done
}

_glasstack_files() {    # that begin with $1; the rest is for compgen
    local IFS=$'\n' start=$1
    shift
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f "$@" -- "$start"))
}

_glasstack_directories() {
    local IFS=$'\n'
    COMPREPLY+=($(compgen -d -- "$1"))
}

_glasstack_links() {
    local interface
    for interface in /sys/class/net/*; do
        [[ -e $interface/tun_flags ]] && echo "tap:${interface##*/}"
        [[ -e $interface ]] && echo "packet:${interface##*/}"
    done
}

_glasstack_value() {    # of option $1, which begins with $2
    case $command$1 in
        --link) _glasstack_offer "$2" lab sim tap: packet: $(_glasstack_links) ;;
        --set) _glasstack_offer "$2" ip_default_ttl= arp_reachable_time= arp_retrans_timer= arp_max_requests= arp_delay_first_probe= arp_queue_bytes= arp_cache_size= acd_probe_wait= acd_probe_num= acd_probe_interval= acd_announce_wait= acd_announce_num= acd_announce_interval= acd_defend_interval= icmp_rate= icmp_burst= icmp_echo_ignore_all= udp_rcvbuf= tcp_rcvbuf= tcp_sndbuf= tcp_initial_rto= tcp_min_rto= tcp_max_rto= tcp_syn_retries= tcp_synack_retries= tcp_retries= tcp_orphan_retries= tcp_msl= tcp_fin_timeout= tcp_max_tw_buckets= tcp_max_orphans= tcp_delayed_ack= tcp_initial_cwnd= tcp_dupacks= tcp_keepalive_time= tcp_keepalive_interval= tcp_keepalive_probes= tcp_max_syn_backlog= tcp_challenge_ack_limit= tcp_max_out_of_order= dhcp_start_wait= dhcp_timeout= dhcp_retry= dhcp_retry_max= dhcp_request_tries= dhcp_reboot_tries= dhcp_renew_wait= dhcp_decline_wait= dns_timeout= dns_attempts= dns_ndots= dns_edns_size= dns_cache_size= dns_max_ttl= dns_max_negative_ttl= port_low= port_high= ;;
        --trace) _glasstack_offer "$2" tcp udp icmp arp ip ;;
        --trace-format) _glasstack_offer "$2" columns tcpdump tree ;;
        -w|--pcap) _glasstack_files "$2" ;;
        --color) _glasstack_offer "$2" auto always never ;;
        --config) _glasstack_files "$2" ;;
        trace-r) _glasstack_files "$2" ;;
        wget-O|wget--output-document) _glasstack_files "$2" ;;
    esac
}

_glasstack() {
    local command= option= optional= glue= word i cur
    local -a typed=()
    # To bash a : and a = end a word: put together again what was typed as one.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#typed[@]} -gt 0 && ( -n $glue || $word == [:=]* ) ]]; then
            typed[${#typed[@]} - 1]+=$word
        else
            typed+=("$word")
        fi
        glue=
        [[ $word == *[:=] ]] && glue=1
    done
    cur=${typed[${#typed[@]} - 1]}
    COMPREPLY=()

    for ((i = 0; i < ${#typed[@]} - 1; i++)); do
        word=${typed[i]}
        if [[ -n $option ]]; then
            option=
            continue
        fi
        case $word in
            --link|-g|--gateway|--dns|--search|--set|--seed|--trace-format|-w|--pcap|--color|-c|--config) option=$word ;;
            --trace) optional=1; continue ;;
            -*) ;;
            conf|dns|help|nc|ping|rlogin|serve|trace|traceroute|wget) command=$word; break ;;
            *) [[ -n $optional || $word =~ ^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(/[0-9]*)?$ ]] || { command=/; break; } ;;
        esac
        optional=
    done
    option=
    if [[ ${#typed[@]} -gt 1 ]]; then
        option=${typed[${#typed[@]} - 2]}
    fi

    case $command/$option in
        /--link|/-g|/--gateway|/--dns|/--search|/--set|/--seed|/--trace-format|/-w|/--pcap|/--color|/-c|/--config|dns/-t|dns/-c|dns/-q|dns/-x|dns/-p|nc/-w|nc/-q|nc/-p|nc/-s|ping/-c|ping/-i|ping/-W|ping/-w|ping/-s|ping/-t|rlogin/-l|rlogin/-p|trace/-f|trace/-c|trace/-r|traceroute/-m|traceroute/-q|traceroute/-f|traceroute/-N|traceroute/-p|traceroute/-w|traceroute/-z|wget/-O|wget/--output-document|wget/--header|wget/-T|wget/--timeout|wget/-t|wget/--tries|wget/--max-redirect) _glasstack_value "$option" "$cur" ;;
        *)
            case $command in
                '')
                    if [[ $cur == --*=* ]]; then
                        _glasstack_value "${cur%%=*}" "${cur#*=}"
                        COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
                    elif [[ $cur == -* ]]; then
                        _glasstack_offer "$cur" -dhcp --link -g --gateway --dns --search --set --seed --trace --trace-format -w --pcap --color -q --quiet -c -i --config --no-config --print-config -V --version -h --help
                    else
                        [[ $option == --trace ]] && _glasstack_value --trace "$cur"
                        _glasstack_offer "$cur" conf dns help nc ping rlogin serve trace traceroute wget
                        _glasstack_files "$cur" -X '!*.py'
                        [[ -n $cur ]] && _glasstack_directories "$cur"
                    fi
                    ;;
                conf)
                    _glasstack_offer "$cur" --json
                    [[ $cur == -* ]] || _glasstack_offer "$cur" address dhcp link gateway dns search trace trace_format pcap color seed quiet history ip_default_ttl arp_reachable_time arp_retrans_timer arp_max_requests arp_delay_first_probe arp_queue_bytes arp_cache_size acd_probe_wait acd_probe_num acd_probe_interval acd_announce_wait acd_announce_num acd_announce_interval acd_defend_interval icmp_rate icmp_burst icmp_echo_ignore_all udp_rcvbuf tcp_rcvbuf tcp_sndbuf tcp_initial_rto tcp_min_rto tcp_max_rto tcp_syn_retries tcp_synack_retries tcp_retries tcp_orphan_retries tcp_msl tcp_fin_timeout tcp_max_tw_buckets tcp_max_orphans tcp_delayed_ack tcp_initial_cwnd tcp_dupacks tcp_keepalive_time tcp_keepalive_interval tcp_keepalive_probes tcp_max_syn_backlog tcp_challenge_ack_limit tcp_max_out_of_order dhcp_start_wait dhcp_timeout dhcp_retry dhcp_retry_max dhcp_request_tries dhcp_reboot_tries dhcp_renew_wait dhcp_decline_wait dns_timeout dns_attempts dns_ndots dns_edns_size dns_cache_size dns_max_ttl dns_max_negative_ttl port_low port_high
                    ;;
                dns)
                    _glasstack_offer "$cur" -t -c -q -x -p +short +tcp +time= +tries= +norecurse +bufsize= +noedns +noall +answer --json
                    ;;
                help)
                    [[ $cur == -* ]] || _glasstack_offer "$cur" help serve trace conf dns nc ping rlogin traceroute wget services node socket cable echo discard chargen daytime time qotd http dhcp login
                    ;;
                nc)
                    _glasstack_offer "$cur" -l -k -u -z -v -w -N -q -d -n -p -s -C -b --json
                    ;;
                ping)
                    _glasstack_offer "$cur" -c -i -W -w -s -t -q -n -D -O -b --json
                    ;;
                rlogin)
                    _glasstack_offer "$cur" -l -p
                    ;;
                serve)
                    [[ $cur == -* ]] || _glasstack_offer "$cur" echo discard chargen daytime time qotd http dhcp dns login
                    ;;
                trace)
                    _glasstack_offer "$cur" -V -x -f -c -r -n --tcpdump --json
                    [[ $cur == -* ]] || _glasstack_files "$cur"
                    ;;
                traceroute)
                    _glasstack_offer "$cur" -I -n -m -q -f -N -p -w -z --json
                    ;;
                wget)
                    _glasstack_offer "$cur" -O --output-document -c --continue -q --quiet -nv --no-verbose -v --verbose -S --server-response --header -T --timeout -t --tries --max-redirect --json -h --help
                    ;;
                *) _glasstack_files "$cur" ;;
            esac
            ;;
    esac

    if [[ ${#COMPREPLY[@]} -eq 1 && $COMPREPLY == *[:=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    # What stands before the last : or = stays as it is on the line.
    if [[ $cur == *[:=]* ]]; then
        word=${cur%"${cur##*[:=]}"}
        COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
}

complete -F _glasstack node.py
