//! The TypeScript types of the contract, generated from `wit/`: this file is the generator and the check that what is
//! committed is current. `XHOST_UPDATE_TYPES=1 cargo test -p xhost --test integration -- typescript` writes them.

use crate::support::repository;
use std::collections::HashMap;
use std::fmt::Write;
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId};

/// Everything in one module, `xhost:plugin`, and the one function that plugins import in a module of its own.
fn generated() -> String {
    let mut resolve = Resolve::default();
    resolve
        .push_dir(repository().join("wit"))
        .expect("the contract parses");
    let names = names(&resolve);
    let mut text = String::from(
        "// The contract between xhost and its plugins, generated from its WIT files by tests/typescript.rs: never edit it.\n\
         //\n\
         // A `result` is returned as its value; its error is thrown. Numbers of every width are numbers, as QuickJS has them.\n\
         \ndeclare module \"xhost:plugin\" {\n",
    );
    for (_, interface) in resolve.interfaces.iter() {
        for id in interface.types.values() {
            definition(&mut text, &resolve, &names, *id);
        }
        if interface.name.as_deref() != Some("log") && !interface.functions.is_empty() {
            exports(&mut text, &resolve, &names, interface);
        }
    }
    text += "}\n\ndeclare module \"xhost:plugin/log@0.1.0\" {\n";
    let log = resolve
        .interfaces
        .iter()
        .find(|(_, interface)| interface.name.as_deref() == Some("log"));
    for function in log.expect("there is a log").1.functions.values() {
        docs(&mut text, "  ", &function.docs, "");
        let signature = signature(&resolve, &names, function);
        let signature = signature.replace("level: Level", "level: import(\"xhost:plugin\").Level");
        writeln!(text, "  export function {signature};").expect("it fits");
    }
    text + "}\n"
}

/// Each type's name: its own, with its interface's before it where two interfaces have one of that name.
fn names(resolve: &Resolve) -> HashMap<TypeId, String> {
    let own = |definition: &TypeDef| definition.name.as_deref().map(pascal);
    let defines =
        |definition: &&TypeDef| !matches!(definition.kind, TypeDefKind::Type(Type::Id(_)));
    let mut names = HashMap::new();
    for (_, interface) in resolve.interfaces.iter() {
        for id in interface.types.values() {
            let definition = &resolve.types[*id];
            let name = own(definition).expect("a type of an interface has a name");
            let alike = resolve
                .types
                .iter()
                .map(|(_, other)| other)
                .filter(defines)
                .filter(|other| own(other).as_ref() == Some(&name));
            let prefix = match alike.count() {
                0 | 1 => String::new(),
                _ => pascal(interface.name.as_deref().unwrap_or_default()),
            };
            names.insert(*id, prefix + &name);
        }
    }
    names
}

fn definition(text: &mut String, resolve: &Resolve, names: &HashMap<TypeId, String>, id: TypeId) {
    let definition = &resolve.types[id];
    let (name, shown) = (&names[&id], |ty: &Type| shown(resolve, names, ty));
    let body = match &definition.kind {
        TypeDefKind::Record(record) => {
            docs(text, "  ", &definition.docs, "");
            writeln!(text, "  export interface {name} {{").expect("it fits");
            for field in &record.fields {
                docs(text, "    ", &field.docs, "");
                let (mark, ty) = match optional(resolve, &field.ty) {
                    Some(inner) => ("?", inner),
                    None => ("", field.ty),
                };
                writeln!(text, "    {}{mark}: {};", camel(&field.name), shown(&ty))
                    .expect("it fits");
            }
            *text += "  }\n\n";
            return;
        }
        TypeDefKind::Enum(cases) => {
            let cases = cases.cases.iter().map(|case| format!("\"{}\"", case.name));
            cases.collect::<Vec<_>>().join(" | ")
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| match &case.ty {
                Some(ty) => format!("{{ tag: \"{}\"; val: {} }}", case.name, shown(ty)),
                None => format!("{{ tag: \"{}\" }}", case.name),
            });
            format!("\n    | {}", cases.collect::<Vec<_>>().join("\n    | "))
        }
        // Taken over from another interface.
        TypeDefKind::Type(Type::Id(_)) => return,
        TypeDefKind::Type(ty) => shown(ty),
        other => panic!("the generator does not know {}", other.as_str()),
    };
    docs(text, "  ", &definition.docs, "");
    writeln!(text, "  export type {name} = {body};\n").expect("it fits");
}

fn exports(
    text: &mut String,
    resolve: &Resolve,
    names: &HashMap<TypeId, String>,
    interface: &Interface,
) {
    docs(text, "  ", &interface.docs, "");
    let name = interface.name.as_deref().unwrap_or_default();
    writeln!(text, "  export interface {} {{", pascal(name)).expect("it fits");
    for function in interface.functions.values() {
        let thrown = function
            .result
            .and_then(|ty| result(resolve, &ty))
            .and_then(|(_, err)| err);
        let thrown = thrown.map_or_else(String::new, |err| {
            format!("Throws {}.", shown(resolve, names, &err))
        });
        docs(text, "    ", &function.docs, &thrown);
        writeln!(text, "    {};", signature(resolve, names, function)).expect("it fits");
    }
    *text += "  }\n\n";
}

fn signature(resolve: &Resolve, names: &HashMap<TypeId, String>, function: &Function) -> String {
    let params = function.params.iter().map(|param| {
        format!(
            "{}: {}",
            camel(&param.name),
            shown(resolve, names, &param.ty)
        )
    });
    let params = params.collect::<Vec<_>>().join(", ");
    let returned = match function.result {
        None => "void".to_owned(),
        Some(ty) => match result(resolve, &ty) {
            Some((ok, _)) => ok.map_or_else(|| "void".into(), |ok| shown(resolve, names, &ok)),
            None => shown(resolve, names, &ty),
        },
    };
    format!("{}({params}): {returned}", camel(&function.name))
}

fn shown(resolve: &Resolve, names: &HashMap<TypeId, String>, ty: &Type) -> String {
    let id = match ty {
        Type::Bool => return "boolean".into(),
        Type::String | Type::Char => return "string".into(),
        Type::Id(id) => *id,
        _ => return "number".into(),
    };
    let definition = &resolve.types[id];
    if let TypeDefKind::Type(Type::Id(_)) = &definition.kind {
        return definition
            .name
            .as_deref()
            .map(pascal)
            .expect("it has a name");
    }
    if let Some(name) = names.get(&id) {
        return name.clone();
    }
    match &definition.kind {
        TypeDefKind::List(Type::U8) => "Uint8Array".into(),
        TypeDefKind::List(inner) => {
            let inner = shown(resolve, names, inner);
            if inner.contains(' ') {
                format!("({inner})[]")
            } else {
                format!("{inner}[]")
            }
        }
        TypeDefKind::Option(inner) => format!("{} | undefined", shown(resolve, names, inner)),
        TypeDefKind::Tuple(tuple) => {
            let types = tuple.types.iter().map(|ty| shown(resolve, names, ty));
            format!("[{}]", types.collect::<Vec<_>>().join(", "))
        }
        // Within another type, a result is no exception but a value.
        TypeDefKind::Result(result) => {
            let side = |ty: &Option<Type>| {
                ty.map_or_else(|| "undefined".into(), |ty| shown(resolve, names, &ty))
            };
            let (ok, err) = (side(&result.ok), side(&result.err));
            format!("{{ tag: \"ok\", val: {ok} }} | {{ tag: \"err\", val: {err} }}")
        }
        other => panic!("the generator does not know {}", other.as_str()),
    }
}

fn optional(resolve: &Resolve, ty: &Type) -> Option<Type> {
    let Type::Id(id) = ty else { return None };
    match &resolve.types[*id].kind {
        TypeDefKind::Option(inner) => Some(*inner),
        _ => None,
    }
}

fn result(resolve: &Resolve, ty: &Type) -> Option<(Option<Type>, Option<Type>)> {
    let Type::Id(id) = ty else { return None };
    match &resolve.types[*id].kind {
        TypeDefKind::Result(result) => Some((result.ok, result.err)),
        _ => None,
    }
}

fn docs(text: &mut String, indent: &str, docs: &Docs, more: &str) {
    let lines: Vec<&str> = docs
        .contents
        .iter()
        .flat_map(|all| all.trim().lines())
        .chain(Some(more).filter(|more| !more.is_empty()))
        .collect();
    match lines.as_slice() {
        [] => {}
        [line] => writeln!(text, "{indent}/** {} */", line.trim()).expect("it fits"),
        lines => {
            writeln!(text, "{indent}/**").expect("it fits");
            for line in lines {
                writeln!(text, "{indent} * {}", line.trim()).expect("it fits");
            }
            writeln!(text, "{indent} */").expect("it fits");
        }
    }
}

fn pascal(name: &str) -> String {
    name.split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

fn camel(name: &str) -> String {
    let name = pascal(name);
    name[..1].to_lowercase() + &name[1..]
}

#[test]
fn the_typescript_types_are_those_of_the_contract() {
    let file = repository().join("plugins/sdk-js/xhost-plugin.d.ts");
    let generated = generated();
    if std::env::var_os("XHOST_UPDATE_TYPES").is_some() {
        std::fs::write(&file, &generated).expect("it can be written");
    }
    let committed = std::fs::read_to_string(&file).expect("it is committed");
    assert!(
        committed == generated,
        "{} is not current: run XHOST_UPDATE_TYPES=1 cargo test -p xhost --test integration -- typescript",
        file.display()
    );
}
