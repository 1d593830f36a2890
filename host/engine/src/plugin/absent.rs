//! The parts of WASI that no guest gets: files and sockets. Toolchains import them whether or not a program uses them, so
//! they have to be there; behind them is nothing, not even a library's code that could open one. Who asks for the folders
//! finds none, who asks for a socket or an address is denied, and all else takes a handle that nobody was ever given.

use super::sandbox::Sandbox;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val,
};
use wasmtime::{Engine, StoreContextMut};

const INTERFACES: [&str; 2] = ["wasi:filesystem/", "wasi:sockets/"];
const VERSION: &str = "@0.2.";

/// Their own resources. Those that they use of others, such as streams, are defined elsewhere.
const RESOURCES: [&str; 8] = [
    "descriptor",
    "directory-entry-stream",
    "network",
    "resolve-address-stream",
    "tcp-socket",
    "udp-socket",
    "incoming-datagram-stream",
    "outgoing-datagram-stream",
];

/// What stands behind a handle of theirs.
struct Nothing;

/// Defines what a component imports of them.
pub(super) fn define(
    engine: &Engine,
    linker: &mut Linker<Sandbox>,
    component: &Component,
) -> wasmtime::Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        let absent = INTERFACES.iter().any(|name| interface.starts_with(name));
        if let ComponentItem::ComponentInstance(imported) = import.ty
            && absent
            && interface.contains(VERSION)
        {
            let mut instance = linker.instance(interface)?;
            for (name, export) in imported.exports(engine) {
                define_one(&mut instance, name, &export.ty)?;
            }
        }
    }
    Ok(())
}

fn define_one(
    instance: &mut LinkerInstance<'_, Sandbox>,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::Resource(_) if RESOURCES.contains(&name) => {
            instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))
        }
        ComponentItem::ComponentFunc(_) => {
            let function = name.to_owned();
            instance.func_new(name, move |mut context, _, arguments, results| {
                let [result] = results else {
                    wasmtime::bail!("{function} is not the one of WASI 0.2");
                };
                // What was lent goes back before the call returns.
                for argument in arguments {
                    if let Val::Resource(handle) = argument {
                        handle.resource_drop(&mut context)?;
                    }
                }
                *result = answer(context, &function)?;
                Ok(())
            })
        }
        _ => Ok(()),
    }
}

fn answer(context: StoreContextMut<'_, Sandbox>, function: &str) -> wasmtime::Result<Val> {
    match function {
        "get-directories" => Ok(Val::List(Vec::new())),
        "instance-network" => {
            let network = Resource::<Nothing>::new_own(0);
            ResourceAny::try_from_resource(network, context).map(Val::Resource)
        }
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses" => {
            let denied = Val::Enum("access-denied".into());
            Ok(Val::Result(Err(Some(Box::new(denied)))))
        }
        "filesystem-error-code" | "network-error-code" => Ok(Val::Option(None)),
        _ => wasmtime::bail!("{function} was called, for which it was given nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Engine;
    use super::super::sandbox::{self, Borders};
    use super::define;
    use wasmtime::component::Component;

    /// Of two versions, as a tool imports them whose libraries are of different ages.
    const GUEST: &str = r#"(component
      (import "wasi:sockets/network@0.2.0" (instance $network
        (export "network" (type (sub resource)))))
      (alias export $network "network" (type $n))
      (import "wasi:sockets/instance-network@0.2.0" (instance $given
        (alias outer 1 $n (type $outer))
        (export "network" (type $n (eq $outer)))
        (export "instance-network" (func (result (own $n))))))
      (import "wasi:sockets/tcp@0.2.6" (instance $tcp
        (export "tcp-socket" (type $s (sub resource)))
        (export "[method]tcp-socket.is-listening" (func (param "self" (borrow $s)) (result bool)))
        (export "take-this" (func (result u32)))))
      (core func $give (canon lower (func $given "instance-network")))
      (core func $take (canon lower (func $tcp "take-this")))
      (core func $is-listening (canon lower (func $tcp "[method]tcp-socket.is-listening")))
      (core module $module
        (import "host" "give" (func $give (result i32)))
        (import "host" "take" (func $take (result i32)))
        (import "host" "is-listening" (func $is-listening (param i32) (result i32)))
        (func (export "ask") (result i32) (drop (call $give)) (i32.const 7))
        (func (export "forge") (result i32) (call $is-listening (call $give)))
        (func (export "take") (result i32) (call $take)))
      (core instance $run (instantiate $module (with "host" (instance
        (export "give" (func $give)) (export "take" (func $take))
        (export "is-listening" (func $is-listening))))))
      (func (export "ask") (result u32) (canon lift (core func $run "ask")))
      (func (export "forge") (result u32) (canon lift (core func $run "forge")))
      (func (export "take") (result u32) (canon lift (core func $run "take"))))"#;

    fn called(function: &str) -> wasmtime::Result<u32> {
        let engine = Engine::new(None).expect("an engine");
        let bytes = wat::parse_str(GUEST).expect("it is a component");
        let component = Component::new(engine.wasmtime(), bytes).expect("it compiles");
        let mut linker = engine.linker().clone();
        define(engine.wasmtime(), &mut linker, &component).expect("all is defined");
        let mut store = sandbox::store(engine.wasmtime(), [0; 32], 0, Borders::Outside)?;
        let instance = linker.instantiate(&mut store, &component)?;
        let function = instance.get_typed_func::<(), (u32,)>(&mut store, function)?;
        function.call(&mut store, ()).map(|(number,)| number)
    }

    #[test]
    fn a_guest_may_ask_for_what_is_absent_and_gets_nothing_to_use() {
        assert_eq!(called("ask").expect("a network is nothing"), 7);
        for (function, expected) in [
            ("forge", "handle index"),
            (
                "take",
                "take-this was called, for which it was given nothing",
            ),
        ] {
            let error = format!("{:#}", called(function).expect_err("it traps"));
            assert!(error.contains(expected), "{error}");
        }
    }
}
