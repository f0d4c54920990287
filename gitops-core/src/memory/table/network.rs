//! Columns of networking.

use super::row::{NONE, Row, UNKNOWN, UNSET, first_three, or};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("", "Endpoints", ENDPOINTS),
    ("", "Service", SERVICE),
    ("discovery.k8s.io", "EndpointSlice", ENDPOINT_SLICE),
    ("networking.k8s.io", "IPAddress", IP_ADDRESS),
    ("networking.k8s.io", "Ingress", INGRESS),
    ("networking.k8s.io", "IngressClass", INGRESS_CLASS),
    ("networking.k8s.io", "NetworkPolicy", NETWORK_POLICY),
    ("networking.k8s.io", "ServiceCIDR", SERVICE_CIDR),
];

const SERVICE: &[Column] = &[
    NAME,
    Column::text(
        "Type",
        "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, \
        ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for \
        load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual \
        construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is \
        allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" \
        builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \
        \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current \
        cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the \
        specified externalName. Several other fields do not apply to ExternalName services. More info: \
        https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
        |row| row.text("spec.type").into(),
    ),
    Column::text(
        "Cluster-IP",
        "clusterIP is the IP address of the service and is usually assigned randomly. If an address is specified \
        manually, is in-range (as per system configuration), and is not in use, it will be allocated to the service; \
        otherwise creation of the service will fail. This field may not be changed through updates unless the type \
        field is also being changed to ExternalName (which requires this field to be blank) or the type field is \
        being changed from ExternalName (in which case this field may optionally be specified, as describe \
        above).  Valid values are \"None\", empty string (\"\"), or a valid IP address. Setting this to \"None\" \
        makes a \"headless service\" (no virtual IP), which is useful when direct endpoint connections are preferred \
        and proxying is not required.  Only applies to types ClusterIP, NodePort, and LoadBalancer. If this field is \
        specified when creating a Service of type ExternalName, creation will fail. This field will be wiped when \
        updating a Service to type ExternalName. More info: \
        https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
        |row| cluster_ip(row).into(),
    ),
    Column::text(
        "External-IP",
        "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this \
        service.  These IPs are not managed by Kubernetes.  The user is responsible for ensuring that traffic \
        arrives at a node with this IP.  A common example is external load-balancers that are not part of the \
        Kubernetes system.",
        |row| external_ip(row).into(),
    ),
    Column::text(
        "Port(s)",
        "The list of ports that are exposed by this service. More info: \
        https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
        |row| ports(row).into(),
    ),
    AGE,
    Column::text(
        "Selector",
        "Route service traffic to pods with label keys and values matching this selector. If empty or not present, \
        the service is assumed to have an external process managing its endpoints, which Kubernetes will not modify. \
        Only applies to types ClusterIP, NodePort, and LoadBalancer. Ignored if type is ExternalName. More info: \
        https://kubernetes.io/docs/concepts/services-networking/service/",
        |row| row.labels("spec.selector").into(),
    )
    .wide(),
];

const INGRESS: &[Column] = &[
    NAME,
    Column::text(
        "Class",
        "The name of the IngressClass resource that should be used for additional configuration",
        |row| row.text_or("spec.ingressClassName", NONE).into(),
    ),
    Column::text("Hosts", "Hosts that incoming requests are matched against before the ingress rule", |row| {
        hosts(row).into()
    }),
    Column::text("Address", "Address is a list containing ingress points for the load-balancer", |row| {
        balancer(row).into()
    }),
    Column::text("Ports", "Ports of TLS configurations that open", |row| {
        if row.count("spec.tls") > 0 { "80, 443" } else { "80" }.into()
    }),
    AGE,
];

const INGRESS_CLASS: &[Column] = &[
    NAME,
    Column::text("Controller", "Controller that is responsible for handling this class", |row| {
        row.text("spec.controller").into()
    }),
    Column::text("Parameters", "A reference to a resource with additional parameters", |row| parameters(row).into()),
    AGE,
];

const ENDPOINTS: &[Column] =
    &[NAME, Column::text("Endpoints", "The addresses and ports behind the service.", |row| endpoints(row).into()), AGE];

const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    Column::text("AddressType", "What kind of addresses these are.", |row| row.text("addressType").into()),
    Column::text("Ports", "The ports of every endpoint.", |row| slice_ports(row).into()),
    Column::text("Endpoints", "The endpoints of this slice.", |row| slice_endpoints(row).into()),
    AGE,
];

const NETWORK_POLICY: &[Column] = &[
    NAME,
    Column::text("Pod-Selector", "The pods that this policy is for.", |row| {
        or(row.selector("spec.podSelector"), NONE).into()
    }),
    AGE,
];

const SERVICE_CIDR: &[Column] = &[
    NAME,
    Column::text("CIDRs", "The ranges that cluster IPs are taken from.", |row| {
        row.texts("spec.cidrs").join(",").into()
    }),
    AGE,
];

const IP_ADDRESS: &[Column] =
    &[NAME, Column::text("ParentRef", "The object that this address was given to.", |row| parent(row).into())];

fn cluster_ip(row: Row<'_>) -> &str {
    row.texts("spec.clusterIPs").into_iter().next().unwrap_or_else(|| row.text_or("spec.clusterIP", NONE))
}

fn external_ip(row: Row<'_>) -> String {
    let external = row.texts("spec.externalIPs").join(",");
    match row.text("spec.type") {
        "ClusterIP" | "NodePort" => or(external, NONE),
        "ExternalName" => row.text("spec.externalName").to_owned(),
        "LoadBalancer" => {
            let both = [balancer(row), external].into_iter().filter(|ips| !ips.is_empty());
            or(both.collect::<Vec<_>>().join(","), "<pending>")
        }
        _ => UNKNOWN.to_owned(),
    }
}

/// Where the load balancer listens.
fn balancer(row: Row<'_>) -> String {
    let points = row.items("status.loadBalancer.ingress").map(|point| point.text_or("ip", point.text("hostname")));
    let mut points: Vec<&str> = points.filter(|point| !point.is_empty()).collect();
    points.sort_unstable();
    points.dedup();
    points.join(",")
}

fn ports(row: Row<'_>) -> String {
    let ports = row.items("spec.ports").map(|port| {
        let (number, node, protocol) = (port.number("port"), port.number("nodePort"), port.text("protocol"));
        if node > 0 { format!("{number}:{node}/{protocol}") } else { format!("{number}/{protocol}") }
    });
    or(ports.collect::<Vec<_>>().join(","), NONE)
}

/// The hosts of the first rules; a rule without a host counts where there are more than three.
fn hosts(row: Row<'_>) -> String {
    let total = row.items("spec.rules").len();
    let (mut hosts, mut more) = (Vec::new(), false);
    for rule in row.items("spec.rules") {
        more |= hosts.len() == 3;
        if !more && !rule.text("host").is_empty() {
            hosts.push(rule.text("host"));
        }
    }
    match hosts.len() {
        0 => "*".to_owned(),
        _ if more => format!("{} + {} more...", hosts.join(","), total.saturating_sub(3)),
        _ => hosts.join(","),
    }
}

fn parameters(row: Row<'_>) -> String {
    let (kind, name) = (row.text("spec.parameters.kind"), row.text("spec.parameters.name"));
    match row.text("spec.parameters.apiGroup") {
        _ if row.at("spec.parameters").is_none() => NONE.to_owned(),
        "" => format!("{kind}/{name}"),
        group => format!("{kind}.{group}/{name}"),
    }
}

fn endpoints(row: Row<'_>) -> String {
    let mut all = Vec::new();
    for subset in row.items("subsets") {
        let addresses = || subset.items("addresses").map(|address| address.text("ip"));
        if subset.items("ports").len() == 0 {
            all.extend(addresses().map(str::to_owned));
        }
        for port in subset.items("ports").map(|port| port.number("port")) {
            let place = |ip: &str| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
            all.extend(addresses().map(place));
        }
    }
    if row.items("subsets").len() == 0 { NONE.to_owned() } else { first_three(&all) }
}

fn slice_ports(row: Row<'_>) -> String {
    let ports =
        row.items("ports").map(|port| port.scalar("port").unwrap_or_else(|| port.text_or("name", "*").to_owned()));
    or(first_three(&ports.collect::<Vec<_>>()), UNSET)
}

fn slice_endpoints(row: Row<'_>) -> String {
    let addresses = row.items("endpoints").flat_map(|endpoint| endpoint.texts("addresses")).map(str::to_owned);
    or(first_three(&addresses.collect::<Vec<_>>()), UNSET)
}

/// `services/default/kubernetes`
fn parent(row: Row<'_>) -> String {
    let parts = ["group", "resource", "namespace", "name"].map(|field| row.text(&format!("spec.parentRef.{field}")));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}
