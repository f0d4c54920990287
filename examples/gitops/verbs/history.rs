//! `history`: what was synced when, by whom and why.

use gitops_core::reconcile::App;

use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::site::Site;
use crate::subject;
use crate::world::{self, Access};
use crate::{Answer, ERROR, Failure};

pub(super) fn history(args: &cli::History, paint: Paint) -> Result<Answer, Failure> {
    let world = Site::open(&args.world.cluster, Access::Read)?;
    let app = App::new(subject::owner(&args.app)?, "HEAD");
    let (ledger, damage) = world::ledger_or_damage(&app, &world)?;
    if ledger.history.is_empty() && damage.is_none() {
        return Err(world::never_synced(&app));
    }
    let text = match args.world.output {
        Output::Text => render::history(&ledger, paint) + &render::problems(damage.as_slice(), paint),
        Output::Json => render::json(&ledger.history)?,
        Output::Yaml => render::yaml(&ledger.history)?,
    };
    Ok(Answer { text, code: if damage.is_some() { ERROR } else { 0 } })
}
