# Copies CORPUS to COPY and runs the fuzz target PROGRAM on it for a few seconds.
file(REMOVE_RECURSE ${COPY})
file(COPY ${CORPUS}/ DESTINATION ${COPY})
execute_process(
  COMMAND ${PROGRAM} -max_total_time=8 -seed=1 -max_len=16384 -timeout=20 -artifact_prefix=${COPY}- ${COPY}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} found something (${result}); its input is ${COPY}-*")
endif()
