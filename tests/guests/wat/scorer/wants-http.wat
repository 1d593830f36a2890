;; Wants to make HTTP requests by itself.
  (import "wasi:http/types@0.2.0" (instance $http-types
    (export "outgoing-request" (type (sub resource)))
    (export "request-options" (type (sub resource)))
    (export "future-incoming-response" (type (sub resource)))))
  (alias export $http-types "outgoing-request" (type $outgoing-request))
  (alias export $http-types "future-incoming-response" (type $future))
  (import "wasi:http/outgoing-handler@0.2.0" (instance
    (alias outer 1 $outgoing-request (type $request'))
    (alias outer 1 $future (type $future'))
    (export "outgoing-request" (type $request (eq $request')))
    (export "future-incoming-response" (type $response (eq $future')))
    (type $own-request (own $request))
    (type $own-response (own $response))
    (type $handled (result $own-response))
    (export "handle" (func (param "request" $own-request) (result $handled)))))

  (core module $guest
    (memory (export "memory") 16)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
