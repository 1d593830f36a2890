;; A sound component that exports nothing of ours.
(component
  (core module $guest (func (export "run") (result i32) (i32.const 42)))
  (core instance $run (instantiate $guest))
  (func $run (result u32) (canon lift (core func $run "run")))
  (instance $greeter (export "run" (func $run)))
  (export "acme:greeter/greet@1.0.0" (instance $greeter)))
