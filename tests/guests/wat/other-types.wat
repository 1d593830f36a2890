;; A scorer whose `judge` was written against other types.
(component
  (core module $guest
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "schema") (result i32) (i32.const 8))
    (func (export "judge") (param i32 i32) (result f64) (f64.const 1)))
  (core instance $run (instantiate $guest))
  (alias core export $run "memory" (core memory $memory))
  (alias core export $run "cabi_realloc" (core func $realloc))
  (func $schema (result string) (canon lift (core func $run "schema") (memory $memory) (realloc $realloc)))
  (func $judge (param "answer" string) (result f64)
    (canon lift (core func $run "judge") (memory $memory) (realloc $realloc)))
  (instance $scorer (export "schema" (func $schema)) (export "judge" (func $judge)))
  (export "xhost:plugin/scorer@0.1.0" (instance $scorer)))
