use super::super::{assemble, Parts, json, toml, yaml, source::Broken, tree::Node};
use std::path::Path;
#[test] fn fuzz() {
  let y = "dataset: {path: d.jsonl, ids: [a, 1], range: 1..2}\nprompt: '{{ input }}'\nmodel: &m {provider: a, name: é, sampling: {seed: 1, stop: [\"\\n\"]}}\nmodels: {judge: *m}\nscorers:\n  - numeric\n  - {plugin: m, params: {x: {$file: a}}}\nsweep: {model.name: [a, b], epochs: [1, 2]}\nlimits: {timeout: 10s}\n";
  let j = r#"{"dataset": "d", "prompt": "é", "model": {"provider": "a", "name": "b"}, "sweep": {"epochs": [1, 2], "model": {"name": ["a"]}}, "scorers": ["a", {"plugin": "b", "params": {"x": [1.5, null, true]}}]}"#;
  let t = "dataset = 'd'\nprompt = 'é'\n[model]\nprovider='a'\nname='b'\n[sweep]\n'model.name'=['a','b']\n[[scorers]]\nplugin='x'\nparams={a=1,b=[1.5,2024-01-01]}\n";
  let rs: [(&str, fn(&str) -> Result<Node, Broken>); 3] = [(y, yaml::read), (j, json::read), (t, toml::read)];
  let mut s = 12345u64; let mut rnd = move |n: usize| { s ^= s << 13; s ^= s >> 7; s ^= s << 17; (s % n as u64) as usize };
  let bits = ["{", "}", "[", "]", ":", ",", "'", "\"", "\n", " ", "\t", "-", "&a", "*a", "*m", "<<: *m", "é", "\u{feff}", "0", "~", "!", "|", ">", "#", "?", "=", ".", "..", "1e999", "99999999999999999999", "null", "sweep", "name", "model", "\r\n", "\0", "%", "@"];
  let (mut ok, mut bad) = (0, 0);
  for i in 0..30000 { let (base, read) = rs[i % 3]; let mut cs: Vec<char> = base.chars().collect();
    for _ in 0..1 + rnd(4) { let at = rnd(cs.len()); match rnd(3) { 0 => { cs.remove(at); } 1 => { let b = bits[rnd(bits.len())]; cs.splice(at..at, b.chars()); } _ => { let b = bits[rnd(bits.len())]; let e = (at + rnd(6)).min(cs.len()); cs.splice(at..e, b.chars()); } } }
    let text: String = cs.into_iter().collect();
    let over = [format!("{}={}", ["a.b", "model.name", "scorers.0", "scorers.1.params.x", "epochs", "sweep", "models.judge.name"][rnd(7)], bits[rnd(bits.len())].repeat(1 + rnd(2)) + bits[rnd(bits.len())])];
    match read(&text) { Ok(n) => match assemble::from_file(Path::new("x.yaml"), &text, n, &Parts::default(), if rnd(2) == 0 { &over } else { &[] }) { Ok(_) => ok += 1, Err(e) => { bad += 1; let _ = e.to_string(); } }, Err(b) => { bad += 1; let _ = super::super::Spot::new("x", &text, b.place).excerpt(); } } }
  println!("ok {ok} bad {bad}");
}
