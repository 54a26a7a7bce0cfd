//! Where does the data go, who reads it, for how long? The questions of
//! regulators and of one person, asked of a door in use.

use std::path::Path;

use serde_json::Value;
use surgewall_core::clock::Clock;
use surgewall_core::random;
use surgewall_testkit::client::Client;

use super::acts::{Played, ask, held, sums};
use super::stage::Stage;
use crate::fault::Fault;

/// An upstream of which nobody wrote down who stands behind it.
const UNDECLARED: &str = "planted-undeclared-egress";
/// A card number that is one by its check digit, and nobody's.
const CARD: &str = "4111 1111 1111 1111";

/// Two people, two upstreams of which one is not declared, a rule that keeps
/// card numbers in a region; then one of the two is told everything and forgotten.
pub(super) async fn dataflow() -> Played {
    let mut stage = Stage::declared(UNDECLARED).await?;
    let (ada, bob) = (Person::new(&stage, "ada").await?, Person::new(&stage, "bob").await?);
    for person in [&ada, &bob] {
        person.says(&person.marker, "double", 200).await?;
        person.says(&format!("write to {}", person.email), UNDECLARED, 200).await?;
    }
    kept_in_its_region(&stage, &ada).await?;
    let unknown = five_questions(&stage).await?;
    told(&stage, &ada, &bob).await?;
    let erased = forgotten(&mut stage, &ada, &bob).await?;
    Ok(format!(
        "five questions answered with evidence, {unknown} unknowns listed with the undeclared upstream among them; a card number stayed in its region; one person told everything, then forgotten in {erased}: also in a restored copy, and every proof still holds"
    ))
}

/// An account, its key, and a word that nobody else says.
struct Person {
    email: String,
    marker: String,
    client: Client,
}

impl Person {
    async fn new(stage: &Stage, name: &str) -> Result<Self, Fault> {
        let email = format!("{name}.{}@example.org", random::base62(8).to_lowercase());
        stage.surgewall(&["admin", "user", "create", "--email", &email]).await?;
        let key = stage.key(name, &["--account", &email]).await?;
        let marker = format!("{name}heron{}", random::base62(12));
        Ok(Self { email, marker, client: stage.stranger().with_key(&key) })
    }

    /// Says `text` to `model` and expects `status`; the answer.
    async fn says(&self, text: &str, model: &str, status: u16) -> Result<Value, Fault> {
        let mut body = ask(&format!("{text}\nsay 3"));
        body["model"] = model.into();
        body["stream"] = false.into();
        let answer = self.client.post("/v1/chat/completions", &body).await?;
        held(answer.status == status, || format!("a request got {}", answer.status))?;
        Ok(answer.json())
    }
}

/// A card number may go to the declared region only: elsewhere it is refused,
/// and the model server never sees it.
async fn kept_in_its_region(stage: &Stage, person: &Person) -> Result<(), Fault> {
    let text = format!("pay with {CARD}");
    let seen = stage.double.calls();
    let refused = person.says(&text, UNDECLARED, 403).await?;
    let code = refused["error"]["code"].as_str().unwrap_or_default();
    held(code == "residency", || format!("a card number was refused as `{code}`"))?;
    held(stage.double.calls() == seen, || "a refused request reached a model server".to_owned())?;
    person.says(&text, "double", 200).await?;
    Ok(())
}

/// What the regulators asked, each line with its evidence; how many unknowns are listed.
async fn five_questions(stage: &Stage) -> Result<usize, Fault> {
    let report = stage.json(&["report", "dataflow", "--format", "json"]).await?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let questions = list(&report["questions"]);
    held(questions.len() == 5, || format!("{} questions of five", questions.len()))?;
    for question in &questions {
        let lines = list(&question["lines"]);
        let founded = lines.iter().all(|line| !list(&line["evidence"]).is_empty());
        held(!lines.is_empty() && founded, || format!("a line without evidence: {question}"))?;
    }
    let unknown = list(&report["unknown"]);
    let named = unknown.iter().any(|line| line.to_string().contains(UNDECLARED));
    held(named, || "the undeclared upstream is not listed as unknown".to_owned())?;
    Ok(unknown.len())
}

/// One person's export holds what that person said and nothing of the other.
async fn told(stage: &Stage, one: &Person, other: &Person) -> Result<(), Fault> {
    let export = stage.json(&["report", "user", &one.email, "--format", "json"]).await?.to_string();
    held(export.contains(&one.marker), || "the export misses what its person said".to_owned())?;
    let strange = [&other.marker, &other.email].into_iter().any(|text| export.contains(text));
    held(!strange, || "the export holds something of somebody else".to_owned())
}

/// Erases one person; the other is untouched, a copy of the data directory from
/// before does not open either, and the ledger still verifies. How long it took.
async fn forgotten(stage: &mut Stage, one: &Person, other: &Person) -> Result<String, Fault> {
    let backup = stage.copy_of_data()?;
    let began = Clock::System.monotonic();
    stage.surgewall(&["admin", "vault", "erase", "--account", &one.email]).await?;
    let took = Clock::System.monotonic() - began;
    let gone = |export: &str| {
        held(!export.contains(&one.marker), || "what was erased is still read".to_owned())
    };
    gone(&stage.surgewall(&["report", "user", &one.email, "--format", "json"]).await?)?;
    let export = stage.surgewall(&["report", "user", &other.email, "--format", "json"]).await?;
    held(export.contains(&other.marker), || "somebody else's records are gone too".to_owned())?;
    sums(stage)?;
    gone(&in_copy(stage, &backup, one).await?)?;
    Ok(format!("{} ms", took.as_millis()))
}

/// One person's export out of a restored copy of the data directory.
async fn in_copy(stage: &Stage, copy: &Path, person: &Person) -> Result<String, Fault> {
    let words = ["report", "user", &person.email, "--format", "json"];
    stage.surgewall_in(copy, &words).await
}
