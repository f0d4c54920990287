//! Volumes, snapshots, backups, object stores.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Always, Because, False, Has, Is, Lacks, True};
use super::{READY, Rule, may_say, quiet, says};

pub(super) const RULES: &[Rule] = &[
    says("snapshot.storage.k8s.io/VolumeSnapshot|VolumeSnapshotContent", SNAPSHOT),
    says("groupsnapshot.storage.k8s.io/VolumeGroupSnapshot|VolumeGroupSnapshotContent", SNAPSHOT),
    quiet("snapshot.storage.k8s.io/VolumeSnapshotClass", &[]),
    says(
        "ceph.rook.io/CephCluster",
        &[
            (Is("status.ceph.health", "HEALTH_ERR|HEALTH_WARN"), Degraded),
            (Is("status.state", "Error"), Degraded),
            (All(&[Is("status.ceph.health", "HEALTH_OK"), Is("status.state", "Created|Connected")]), Healthy),
            (All(&[Is("status.ceph.health", "HEALTH_OK"), Lacks("status.state")]), Healthy),
        ],
    ),
    says(
        "ceph.rook.io/*",
        &[
            (Is("status.phase", "Ready|Connected|Created"), Healthy),
            (Is("status.phase", "Failure|ReconcileFailed|Failed"), Degraded),
        ],
    ),
    says(
        "objectbucket.io/ObjectBucketClaim",
        &[(Is("status.phase", "Bound"), Healthy), (Is("status.phase", "Failed"), Degraded)],
    ),
    says("noobaa.io/*", &[(Is("status.phase", "Ready"), Healthy), (Is("status.phase", "Rejected"), Degraded)]),
    says(
        "longhorn.io/Volume",
        &[
            (Is("status.robustness", "faulted"), Degraded),
            (Is("status.robustness", "degraded"), Degraded),
            (Is("status.state", "detached|attached"), Healthy),
        ],
    ),
    quiet("longhorn.io/*", &[(Is("status.state", "error"), Degraded)]),
    says(
        "velero.io/Backup|Restore|PodVolumeBackup|PodVolumeRestore|DataUpload|DataDownload",
        &[
            (Is("status.phase", "Completed"), Healthy),
            (Is("status.phase", "Failed|PartiallyFailed|FailedValidation|Canceled"), Degraded),
        ],
    ),
    says(
        "velero.io/BackupStorageLocation|VolumeSnapshotLocation|BackupRepository",
        &[(Is("status.phase", "Available|Ready"), Healthy), (Is("status.phase", "Unavailable|NotReady"), Degraded)],
    ),
    says(
        "velero.io/Schedule",
        &[
            (Is("spec.paused", "true"), Suspended),
            (Is("status.phase", "Enabled"), Healthy),
            (Is("status.phase", "FailedValidation"), Degraded),
        ],
    ),
    quiet("velero.io/*", &[]),
    may_say("k8up.io/*", &[(Because("Completed", "Failed"), Degraded), (True("Completed"), Healthy)]),
    may_say(
        "volsync.backube/*",
        &[
            (Is("spec.paused", "true"), Suspended),
            (Because("Synchronizing", "Error"), Degraded),
            (False("Synchronizing"), Healthy),
        ],
    ),
    says(
        "trident.netapp.io/TridentBackendConfig",
        &[
            (Is("status.lastOperationStatus", "Failed"), Degraded),
            (All(&[Is("status.phase", "Bound"), Is("status.lastOperationStatus", "Success")]), Healthy),
        ],
    ),
    says(
        "trident.netapp.io/TridentOrchestrator",
        &[(Is("status.status", "Installed"), Healthy), (Is("status.status", "Failed|Error"), Degraded)],
    ),
    quiet("trident.netapp.io/*", &[]),
    says(
        "astra.netapp.io/AppVault",
        &[(Is("status.state", "available|Available"), Healthy), (Is("status.state", "failed|Failed"), Degraded)],
    ),
    says("astra.netapp.io/Application", READY),
    says(
        "astra.netapp.io/ExecHook",
        &[(Is("spec.enabled", "true"), Healthy), (Is("spec.enabled", "false"), Suspended)],
    ),
    says("astra.netapp.io/Schedule", &[(Always("backs up when it is due"), Healthy)]),
    says(
        "astra.netapp.io/*",
        &[
            (Is("status.state", "Completed"), Healthy),
            (Is("status.state", "Running"), Progressing),
            (Is("status.state", "*"), Degraded),
        ],
    ),
    says(
        "minio.min.io/Tenant",
        &[
            (Is("status.currentState", "Initialized"), Healthy),
            (Is("status.currentState", MINIO_REFUSED), Degraded),
            (Is("status.currentState", "*"), Progressing),
        ],
    ),
];

const MINIO_REFUSED: &str = "Statefulset not controlled by operator|Another MinIO Tenant already exists in the namespace|Tenant credentials are not set properly|Different versions across MinIO Pools|Pool Decommissioning Not Allowed";

const SNAPSHOT: &[Clause] = &[(Is("status.readyToUse", "true"), Healthy), (Has("status.error"), Degraded)];
