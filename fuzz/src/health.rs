//! Verdicts on live objects.

use std::time::Duration;

use gitops_core::health::{AppHealth, Clues, HealthStatus, Part, assess};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use gitops_core::value::Value;

/// Whatever an object says: there is a verdict, always the same, and none is healthy by a status of an older spec. What
/// is healthy stays so while it does not change.
pub fn health(bytes: &[u8]) {
    let Some(live) = Value::from_json(bytes).ok().and_then(|value| Resource::new(value).ok()) else { return };
    let model = ApiModel::builtin();
    let now = Timestamp::from_millis(1_770_000_000_000);
    let verdict = assess(&live, &Clues::new(&model, now));
    assert_eq!(verdict, assess(&live, &Clues::new(&model, now)), "the same object, the same verdict");
    let number = |path: &[&str]| live.tree().dig(path)?.as_i64();
    let observed = number(&["status", "observedGeneration"]).filter(|observed| *observed > 0);
    if let (Some(generation), Some(observed)) = (number(&["metadata", "generation"]), observed)
        && observed < generation
    {
        assert_ne!(verdict.status, HealthStatus::Healthy, "older than the spec");
    }
    let later = assess(&live, &Clues::new(&model, now).settling(Duration::ZERO));
    assert!(verdict.status != HealthStatus::Healthy || later.status == HealthStatus::Healthy, "waiting makes it worse");
    if let Some(part @ Part::Judged(_)) = Part::of(&live, &verdict) {
        assert_eq!(AppHealth::of([(live.key(), part)]).status, verdict.status);
    }
}
