;; Six memories besides its own, each in an instance of a module of its own.
  (core module $memory (memory 1))
  (core instance (instantiate $memory))
  (core instance (instantiate $memory))
  (core instance (instantiate $memory))
  (core instance (instantiate $memory))
  (core instance (instantiate $memory))
  (core instance (instantiate $memory))

  (core module $guest
    (memory (export "memory") 16)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
