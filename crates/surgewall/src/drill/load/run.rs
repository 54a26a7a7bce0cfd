//! A crowd at the stage's door, and the door's own view of it, second by second.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use surgewall_core::incident::{Reason, Verdict};
use surgewall_core::principal::Class;
use surgewall_gateway::control::{Answer, ClassStatus, Question, Status};
use surgewall_testkit::load::{Course, Door, Keys, Report, Row, crowd};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::plan::Plan;
use crate::drill::stage::{Stage, UPSTREAM};
use crate::fault::Fault;

/// Between two looks at the door.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Requests of a crowd at once.
const IN_FLIGHT_MAX: usize = 10_000;
/// Requests of a crowd.
const REQUESTS_MAX: u64 = 200_000;

/// How the door stood at one look. Rates are means over five seconds.
#[derive(Clone, Debug, Serialize)]
pub(in crate::drill) struct Look {
    /// Milliseconds since the crowd began.
    pub(in crate::drill) at_ms: u64,
    /// By class, the most trusted first.
    pub(in crate::drill) classes: Vec<ClassStatus>,
    /// Requests at once that the engine is trusted with, as learnt.
    pub(in crate::drill) limit: u32,
    /// Requests that run.
    pub(in crate::drill) running: u32,
    /// What the door makes of it.
    pub(in crate::drill) verdict: Verdict,
    /// What that rests on.
    pub(in crate::drill) reasons: Vec<Reason>,
}

/// What a run showed.
pub(in crate::drill) struct Run {
    /// Every request that has ended.
    pub(in crate::drill) rows: Vec<Row>,
    /// The load's own account of it.
    pub(in crate::drill) report: Report,
    /// The door's view.
    pub(in crate::drill) looks: Vec<Look>,
}

impl Look {
    fn of(status: &Status, at: Duration) -> Option<Self> {
        let gate = status.upstreams.get(UPSTREAM)?.gate.as_ref()?;
        Some(Self {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            classes: gate.classes.clone(),
            limit: gate.limit,
            running: gate.running,
            verdict: status.judgement.verdict,
            reasons: status.judgement.reasons.clone(),
        })
    }

    /// One number of all classes together.
    pub(in crate::drill) fn sum(&self, of: impl Fn(&ClassStatus) -> u64) -> u64 {
        self.classes.iter().map(of).sum()
    }

    /// One number of a class.
    pub(in crate::drill) fn of_class(&self, class: Class, of: impl Fn(&ClassStatus) -> u64) -> u64 {
        self.classes.iter().filter(|one| one.class == class).map(of).sum()
    }
}

/// Sends the crowd and looks at the door meanwhile; `each` gets every look.
///
/// # Errors
/// The crowd cannot come, or the door died.
pub(in crate::drill) async fn run(
    stage: &Stage,
    plan: &Plan,
    keys: &Keys,
    mut each: impl FnMut(&Look),
) -> Result<Run, Fault> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let mut ended = load(course(stage, plan, keys)?)?;
    let begin = Instant::now();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut looks = Vec::new();
    let (rows, report) = loop {
        tokio::select! {
            loaded = &mut ended => {
                break loaded.map_err(|_| Fault::new("the load broke off"))?;
            }
            _ = ticks.tick() => {
                let Answer::Status(status) = stage.ask(&Question::Status).await? else { continue };
                if let Some(look) = Look::of(&status, begin.elapsed()) {
                    each(&look);
                    looks.push(look);
                }
            }
        }
    };
    Ok(Run { rows, report, looks })
}

fn course(stage: &Stage, plan: &Plan, keys: &Keys) -> Result<Course, Fault> {
    let target = format!("{}/v1/chat/completions", stage.url()).parse()?;
    Ok(Course {
        door: Door::new(target, "double", &plan.populations, keys, true)?,
        populations: plan.populations.clone(),
        seed: plan.seed,
        until: plan.times.until(),
        warmup: Duration::ZERO,
        settle: plan.times.settle,
        in_flight_max: IN_FLIGHT_MAX,
        count_max: REQUESTS_MAX,
        engine: plan.engine,
    })
}

type Loaded = (Vec<Row>, Report);

/// The crowd in a thread of its own: what is drawn meanwhile does not make it late.
fn load(course: Course) -> Result<oneshot::Receiver<Loaded>, Fault> {
    let (tell, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("drill-load".to_owned()).spawn(move || {
        let mut rows = Vec::new();
        let report = runtime.block_on(crowd(&course, |row| rows.push(row.clone())));
        // Nobody listens where the drill was stopped.
        let _ = tell.send((rows, report));
    })?;
    Ok(ended)
}
