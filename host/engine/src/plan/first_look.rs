//! A first look: each config builds the first sample's prompt and shows its scorers an empty answer. Parameters that a
//! plugin refuses, or a field that the rows do not have, are found here and not after the first paid answer.

use super::{Config, Plan, PlanError};
use crate::dataset::Sample;
use crate::plugin::bindings::scorer;
use crate::plugin::{CallSeed, Failure, FailureKind, types};
use std::sync::Arc;

/// Looks at every config. What comes back is for the user to know.
pub(super) async fn look(plan: &Plan) -> Result<Vec<String>, PlanError> {
    let mut warnings = Vec::new();
    for block in &plan.blocks {
        let Some(first) = block.dataset.rows().next().transpose()? else {
            warnings.push(
                "the dataset selects no sample: look at `dataset.limit`, `range` and `ids`"
                    .to_owned(),
            );
            continue;
        };
        let sample = Arc::new(guest_sample(first));
        for (config, _) in &block.members {
            prompt(config, &sample).await?;
            scorers(config, &sample).await?;
            if config.scorers.is_empty() {
                warnings.push(
                    "no scorer: answers are collected and not judged (add `scorers:`)".to_owned(),
                );
            }
        }
    }
    warnings.sort();
    warnings.dedup();
    Ok(warnings)
}

/// A row as plugins see it.
pub(crate) fn guest_sample(sample: Sample) -> types::Sample {
    let Sample {
        id,
        input,
        targets,
        fields,
    } = sample;
    types::Sample {
        id,
        input,
        targets,
        fields: fields.to_string(),
    }
}

async fn prompt(config: &Config, sample: &Arc<types::Sample>) -> Result<(), PlanError> {
    let params = Arc::clone(&config.prompt.params);
    let step = config
        .prompt
        .plugin
        .next(
            CallSeed([0; 32]),
            params,
            Arc::clone(sample),
            Arc::default(),
        )
        .await;
    let place = format!("`prompt`, tried on the sample `{}`", sample.id);
    match step {
        Err(failure) if is_refusal(&failure) => Err(PlanError::Refused { place, failure }),
        _ => Ok(()),
    }
}

async fn scorers(config: &Config, sample: &Arc<types::Sample>) -> Result<(), PlanError> {
    for (index, used) in config.scorers.iter().enumerate() {
        let sample = (**sample).clone();
        let subject = Arc::new(scorer::Subject {
            sample,
            answer: String::new(),
            exchanges: Vec::new(),
        });
        let params = Arc::clone(&used.plugin.params);
        let step = used
            .plugin
            .plugin
            .judge(CallSeed([0; 32]), params, subject, Arc::default())
            .await;
        match step {
            Err(failure) if failure.kind == FailureKind::BadParams => {
                return Err(PlanError::Refused {
                    place: format!("`scorers.{index}`"),
                    failure,
                });
            }
            Ok(scorer::Step::Ask(questions)) => declared(config, &used.label, &questions)?,
            _ => {}
        }
    }
    Ok(())
}

/// A prompt that cannot be built for the first sample is a mistake in the experiment, not in the sample.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::BadParams | FailureKind::Refusal)
}

fn declared(
    config: &Config,
    scorer: &str,
    questions: &[scorer::Question],
) -> Result<(), PlanError> {
    let unknown = questions
        .iter()
        .find(|question| !config.judges.contains_key(&question.model));
    unknown.map_or(Ok(()), |question| {
        let model = &question.model;
        Err(PlanError::Settings(format!(
            "the scorer `{scorer}` asks the model `{model}`, which the experiment does not declare: add `models: {{{model}: \
             PROVIDER/NAME}}`"
        )))
    })
}
