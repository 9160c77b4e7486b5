"""What the lab's network follows: VPCs, subnets, rules and network interfaces, as they are at this moment.

Only the VPCs in which an instance runs that is more than a record (tag lab:kind other than `paper`); of the other interfaces
only their addresses, where a rule names their security group.
"""

import ipaddress

from moto.ec2.models import ec2_backends

PROTOCOL_NAMES = {"6": "tcp", "17": "udp", "1": "icmp"}


def network_state():
    vpcs = []
    for account, regions in list(ec2_backends.items()):
        for region, backend in list(regions.items()):
            vpcs.extend(_vpcs(account, region, backend))
    return {"vpcs": vpcs}


def _vpcs(account, region, backend):
    running = {}
    members = {}
    for interface in list(backend.enis.values()):
        instance = interface.instance
        for group in interface.group_set:
            members.setdefault(group.id, set()).add(interface.private_ip_address)
        if instance is not None and instance.state not in ("terminated", "shutting-down") and _kind(backend, instance):
            running.setdefault(interface.vpc_id, []).append(interface)
    return [_vpc(account, region, backend, vpc_id, found, members) for vpc_id, found in running.items()]


def _kind(backend, instance):
    """Whether the instance is more than a record."""
    # Not get_tags(), which goes through the tags of all resources: a fleet has thousands.
    own = backend.tags.get(instance.id, {}).get("lab:kind")
    inherited = backend.tags.get(instance.image_id, {}).get("lab:kind")
    return (own or inherited or "paper") != "paper"


def _vpc(account, region, backend, vpc_id, interfaces, members):
    vpc = backend.vpcs[vpc_id]
    subnets = {interface.subnet.id: interface.subnet for interface in interfaces}
    groups = {}
    for interface in interfaces:
        for group in interface.group_set:
            groups[group.id] = group
        for change in getattr(interface, "group_changes", []):
            for group_id in change["groups"]:
                group = backend.get_security_group_from_id(group_id)
                if group is not None:
                    groups[group_id] = group
    return {
        "vpcId": vpc_id,
        "accountId": account,
        "region": region,
        "cidrBlocks": [item["cidr_block"] for item in vpc.cidr_block_association_set],
        "tags": dict(backend.tags.get(vpc_id, {})),
        "subnets": [_subnet(backend, subnet) for subnet in subnets.values()],
        "securityGroups": {group_id: _group(backend, group, members) for group_id, group in groups.items()},
        "interfaces": [_interface(interface) for interface in interfaces],
    }


def _interface(interface):
    return {
        "networkInterfaceId": interface.id,
        "instanceId": interface.instance.id,
        "deviceIndex": int(interface.device_index or 0),
        "subnetId": interface.subnet.id,
        "macAddress": interface.mac_address,
        "privateAddress": interface.private_ip_address,
        "publicAddress": interface.public_ip or None,
        "sourceDestCheck": _is_true(interface.source_dest_check),
        "groups": [group.id for group in interface.group_set],
        # A change and the next one may both fall between two looks: tracking follows each of them.
        "groupChanges": list(getattr(interface, "group_changes", [])),
    }


def _is_true(value):
    return str(value).lower() != "false"


def _group(backend, group, members):
    return {
        "ingress": [_rule(backend, rule, members) for rule in list(group.ingress_rules)],
        "egress": [_rule(backend, rule, members) for rule in list(group.egress_rules)],
    }


def _rule(backend, rule, members):
    ranges = [rule.cidr_ipv4] if rule.cidr_ipv4 else []
    if rule.prefix_list_id:
        ranges.extend(_prefixes(backend, rule.prefix_list_id))
    if rule.source_group:
        # A reference stands for the private addresses of the group's interfaces, however many (EC2 User Guide,
        # "Security group referencing").
        ranges.extend(f"{address}/32" for address in sorted(members.get(rule.source_group.get("GroupId"), ())))
    protocol = PROTOCOL_NAMES.get(str(rule.ip_protocol), str(rule.ip_protocol))
    return {"protocol": protocol, "fromPort": rule.from_port, "toPort": rule.to_port, "ranges": ranges}


def _prefixes(backend, prefix_list_id):
    known = backend.managed_prefix_lists.get(prefix_list_id)
    if known is None or known.address_family != "IPv4":
        return []
    return [entry["Cidr"] for entry in known.entries.get(known.version) or []]


def _subnet(backend, subnet):
    acl = next(
        (
            acl
            for acl in list(backend.network_acls.values())
            if any(association.subnet_id == subnet.id for association in acl.associations)
        ),
        None,
    )
    return {
        "subnetId": subnet.id,
        "cidrBlock": subnet.cidr_block,
        "networkAcl": [_acl_entry(entry) for entry in list(acl.network_acl_entries)] if acl is not None else None,
        "internet": _internet(backend, subnet),
    }


def _acl_entry(entry):
    ports, icmp = entry.port_range or {}, entry.icmp_type_code or {}
    protocol = str(entry.protocol)
    return {
        "ruleNumber": int(entry.rule_number),
        "egress": _egress(entry.egress),
        "allow": entry.rule_action == "allow",
        "protocol": PROTOCOL_NAMES.get(protocol, protocol),
        "range": entry.cidr_block,
        "fromPort": _number(ports.get("From")),
        "toPort": _number(ports.get("To")),
        "icmpType": _number(icmp.get("Type")),
        "icmpCode": _number(icmp.get("Code")),
    }


def _egress(value):
    return str(value).lower() == "true"


def _number(value):
    return None if value is None else int(value)


def _internet(backend, subnet):
    """How the subnet's default route leaves the VPC: {"by": …, "address": its public address}; None for no way."""
    for route in _routes(backend, subnet):
        if route.destination_cidr_block is None or ipaddress.ip_network(route.destination_cidr_block).prefixlen != 0:
            continue
        if route.nat_gateway is not None:
            return {"by": "nat-gateway", "address": route.nat_gateway._eni.public_ip or None}
        interface = route.interface or (route.instance.nics.get(0) if route.instance is not None else None)
        if interface is not None:
            return {"by": "nat-instance", "address": interface.public_ip or None}
        if route.gateway is not None and route.gateway.id.startswith("igw-"):
            return {"by": "internet-gateway", "address": None}
    # AWS makes a default VPC with an internet gateway and the route to it; moto's has neither.
    default = str(backend.vpcs[subnet.vpc_id].is_default).lower() == "true"
    return {"by": "internet-gateway", "address": None} if default else None


def _routes(backend, subnet):
    """Of the route table associated with the subnet, else of the VPC's main one."""
    tables = [table for table in list(backend.route_tables.values()) if table.vpc_id == subnet.vpc_id]
    for table in tables:
        if subnet.id in table._associations.values():
            return table.routes
    return next((table.routes for table in tables if table.main_association_id is not None), [])
