;; Never gets as far as being called: instantiating it takes for ever.
  (core module $guest
    (memory (export "memory") 16)
    (func $start (loop $again (br $again)))
    (start $start)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
