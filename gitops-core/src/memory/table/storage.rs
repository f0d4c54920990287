//! Columns of storage.

use super::row::{Row, UNSET};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("", "PersistentVolume", VOLUME),
    ("", "PersistentVolumeClaim", CLAIM),
    ("storage.k8s.io", "CSIDriver", DRIVER),
    ("storage.k8s.io", "CSINode", CSI_NODE),
    ("storage.k8s.io", "CSIStorageCapacity", CAPACITY),
    ("storage.k8s.io", "StorageClass", CLASS),
    ("storage.k8s.io", "VolumeAttachment", ATTACHMENT),
    ("storage.k8s.io", "VolumeAttributesClass", ATTRIBUTES_CLASS),
];

const VOLUME: &[Column] = &[
    NAME,
    Column::text("Capacity", "How large the volume is.", |row| {
        row.scalar("spec.capacity.storage").unwrap_or_default().into()
    }),
    Column::text("Access Modes", "All the ways the volume can be mounted.", |row| {
        modes(row, "spec.accessModes").into()
    }),
    Column::text("Reclaim Policy", "What happens to the volume when its claim is gone.", |row| {
        row.text("spec.persistentVolumeReclaimPolicy").into()
    }),
    Column::text("Status", "Whether the volume is bound.", |row| phase(row).into()),
    Column::text("Claim", "The claim that this volume is bound to.", |row| claim(row).into()),
    Column::text("StorageClass", "StorageClass of the pv", |row| class(row).into()),
    Column::text("VolumeAttributesClass", "VolumeAttributesClass of the pv", |row| {
        row.text_or("spec.volumeAttributesClassName", UNSET).into()
    }),
    Column::text("Reason", "Why the volume is in this state.", |row| row.text("status.reason").into()),
    AGE,
    Column::text("VolumeMode", "Whether it is a file system or a block device.", |row| {
        row.text_or("spec.volumeMode", UNSET).into()
    })
    .wide(),
];

const CLAIM: &[Column] = &[
    NAME,
    Column::text("Status", "Whether the claim is bound.", |row| phase(row).into()),
    Column::text("Volume", "The volume behind the claim.", |row| row.text("spec.volumeName").into()),
    Column::text("Capacity", "How large the volume is.", |row| {
        bound(row, row.scalar("status.capacity.storage").unwrap_or_default()).into()
    }),
    Column::text("Access Modes", "The ways the volume is mounted.", |row| {
        bound(row, modes(row, "status.accessModes")).into()
    }),
    Column::text("StorageClass", "StorageClass of the pvc", |row| class(row).into()),
    Column::text("VolumeAttributesClass", "VolumeAttributesClass of the pvc", |row| {
        row.text_or("spec.volumeAttributesClassName", UNSET).into()
    }),
    AGE,
    Column::text("VolumeMode", "Whether it is a file system or a block device.", |row| {
        row.text_or("spec.volumeMode", UNSET).into()
    })
    .wide(),
];

const ATTRIBUTES_CLASS: &[Column] =
    &[NAME, Column::text("DriverName", "The driver that this class is for.", |row| row.text("driverName").into()), AGE];

const ATTACHMENT: &[Column] = &[
    NAME,
    Column::text("Attacher", "The driver that attaches.", |row| row.text("spec.attacher").into()),
    Column::text("PV", "The volume that is attached.", |row| row.text("spec.source.persistentVolumeName").into()),
    Column::text("Node", "Where it is attached.", |row| row.text("spec.nodeName").into()),
    Column::boolean("Attached", "Whether it is attached.", |row| row.flag("status.attached").into()),
    AGE,
];

const CSI_NODE: &[Column] = &[
    NAME,
    Column::integer("Drivers", "Drivers indicates the number of CSI drivers registered on the node", |row| {
        row.count("spec.drivers").into()
    }),
    AGE,
];

const DRIVER: &[Column] = &[
    NAME,
    Column::boolean("AttachRequired", "Whether volumes must be attached.", |row| {
        row.at("spec.attachRequired").is_none_or(|_| row.flag("spec.attachRequired")).into()
    }),
    Column::boolean("PodInfoOnMount", "Whether the driver is told of the pod.", |row| {
        row.flag("spec.podInfoOnMount").into()
    }),
    Column::boolean("StorageCapacity", "Whether the driver tells how much space is left.", |row| {
        row.flag("spec.storageCapacity").into()
    }),
    Column::text("TokenRequests", "For whom the driver gets tokens.", |row| tokens(row).into()),
    Column::boolean("RequiresRepublish", "Whether volumes are published again and again.", |row| {
        row.flag("spec.requiresRepublish").into()
    }),
    Column::text("Modes", "The kinds of volumes the driver makes.", |row| lifecycles(row).into()),
    AGE,
];

const CAPACITY: &[Column] = &[
    NAME,
    Column::text("StorageClassName", "The class that this is said of.", |row| row.text("storageClassName").into()),
    Column::text("Capacity", "How much space is left.", |row| {
        row.scalar("capacity").unwrap_or_else(|| UNSET.to_owned()).into()
    }),
];

const CLASS: &[Column] = &[
    Column { cell: |row| class_name(row).into(), ..NAME },
    Column::text("Provisioner", "Who makes the volumes.", |row| row.text("provisioner").into()),
    Column::text("ReclaimPolicy", "What happens to a volume when its claim is gone.", |row| {
        row.text_or("reclaimPolicy", "Delete").into()
    }),
    Column::text("VolumeBindingMode", "When a volume is made and bound.", |row| {
        row.text_or("volumeBindingMode", "Immediate").into()
    }),
    Column::text("AllowVolumeExpansion", "Whether a volume may grow.", |row| row.flag("allowVolumeExpansion").into()),
    AGE,
];

/// The name, and whether it is the class of claims that name none.
fn class_name(row: Row<'_>) -> String {
    let annotations = row.at("metadata.annotations");
    let is_default =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .iter()
            .any(|name| annotations.and_then(|all| all.get(name)?.as_str()) == Some("true"));
    format!("{}{}", row.text("metadata.name"), if is_default { " (default)" } else { "" })
}

/// The class of a volume or claim; the annotation is its old form.
fn class(row: Row<'_>) -> &str {
    let annotations = row.at("metadata.annotations");
    let old = annotations.and_then(|all| all.get("volume.beta.kubernetes.io/storage-class")?.as_str());
    old.unwrap_or_else(|| row.text("spec.storageClassName"))
}

fn phase(row: Row<'_>) -> &str {
    if row.is_terminating() { "Terminating" } else { row.text("status.phase") }
}

fn claim(row: Row<'_>) -> String {
    match row.at("spec.claimRef") {
        Some(_) => format!("{}/{}", row.text("spec.claimRef.namespace"), row.text("spec.claimRef.name")),
        None => String::new(),
    }
}

/// What is only told of a claim that has a volume.
fn bound(row: Row<'_>, text: String) -> String {
    if row.text("spec.volumeName").is_empty() { String::new() } else { text }
}

/// Access modes by their short names, each once, in the usual order.
fn modes(row: Row<'_>, path: &str) -> String {
    let found = row.texts(path);
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let short = known.into_iter().filter(|(name, _)| found.contains(name)).map(|(_, short)| short);
    short.collect::<Vec<_>>().join(",")
}

fn tokens(row: Row<'_>) -> String {
    let audiences: Vec<&str> = row.items("spec.tokenRequests").map(|request| request.text("audience")).collect();
    if audiences.is_empty() { UNSET.to_owned() } else { audiences.join(",") }
}

fn lifecycles(row: Row<'_>) -> String {
    let modes = row.texts("spec.volumeLifecycleModes");
    if modes.is_empty() { "<none>".to_owned() } else { modes.join(",") }
}
